// Netlify: a site is deployed by the digests of its files, so that only what Netlify does not have yet is sent
// (docs.netlify.com/api/get-started, and the published OpenAPI description).
import { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import { checked } from './check.js';
import { createHttp, type Http } from './http.js';
import type { ActionContext, Integration } from './index.js';
import { requireSetting, type Variables } from './settings.js';
import { filesOfFolder, filesOfZip, type SiteFile } from './site-files.js';
import { realTime, type Time } from './time.js';

export interface NetlifyOptions {
  variables: Variables;
  baseUrl?: string;
  time?: Time;
}

const uploadsAtOnce = 5;
const pollMs = 1000;
const longestWaitMs = 15 * 60_000;
/** From here on Netlify may take its time over the digests, and says so by the deploy's state. */
const manyFiles = 100;

const deployInput = z.object({
  site: z.string().min(1).max(200).describe("The site's id or name"),
  dir: z.string().min(1).max(500).optional().describe('A folder of the home, such as sites/acme'),
  zip: z.string().min(1).max(500).optional().describe('A zip file of the home, in place of `dir`'),
  draft: z.boolean().default(false).describe('Deploy to an address of its own, not to the site itself'),
  message: z.string().max(500).optional().describe('What stands beside the deploy in Netlify'),
});

const sitesInput = z.object({
  name: z.string().max(200).optional().describe('Only sites whose name holds this'),
  limit: z.number().int().min(1).max(1000).default(100),
});

const siteShape = z.object({
  id: z.string(),
  name: z.string().nullish(),
  url: z.string().nullish(),
  ssl_url: z.string().nullish(),
  custom_domain: z.string().nullish(),
});
type Site = z.output<typeof siteShape>;

const deployShape = z.object({
  id: z.string(),
  state: z.string(),
  required: z.array(z.string()).nullish(),
  error_message: z.string().nullish(),
  deploy_ssl_url: z.string().nullish(),
  deploy_url: z.string().nullish(),
  ssl_url: z.string().nullish(),
  url: z.string().nullish(),
});
type Deploy = z.output<typeof deployShape>;

export function createNetlify({
  variables,
  baseUrl = 'https://api.netlify.com/api/v1',
  time = realTime,
}: NetlifyOptions): Integration {
  const connect = (): Http => {
    const token = requireSetting(variables, 'NETLIFY_AUTH_TOKEN', 'Netlify');
    const headers = { authorization: `Bearer ${token}` };
    return createHttp({ service: 'Netlify', baseUrl, headers, secrets: [token], time });
  };

  /** Asks for the deploy until it is in one of the states. */
  const until = async (
    http: Http,
    deploy: Deploy,
    states: string[],
    signal: AbortSignal | undefined,
  ): Promise<Deploy> => {
    const begun = time.now();
    let now = deploy;
    while (!states.includes(now.state)) {
      if (now.state === 'error' || now.state === 'rejected') throw failedDeploy(now);
      if (time.now() - begun > longestWaitMs) throw slowDeploy(now);
      await time.pause(pollMs, signal);
      const answer = await http.request({
        method: 'GET',
        path: `/deploys/${encodeURIComponent(deploy.id)}`,
        repeat: 'always',
        signal,
      });
      now = answer.json(deployShape);
    }
    return now;
  };

  const deploy = async (input: z.output<typeof deployInput>, { home, signal }: ActionContext) => {
    const http = connect();
    const files = await filesOf(input, home);
    const site = await findSite(http, input.site, signal);
    const asynchronous = files.length > manyFiles;
    const answer = await http.request({
      method: 'POST',
      path: `/sites/${encodeURIComponent(site.id)}/deploys`,
      query: { title: input.message },
      json: {
        files: Object.fromEntries(files.map(({ path, sha1 }) => [`/${path}`, sha1])),
        draft: input.draft,
        async: asynchronous,
      },
      // One that nothing is uploaded to never goes live.
      repeat: 'always',
      signal,
    });
    const created = answer.json(deployShape);
    const prepared = asynchronous
      ? await until(http, created, ['prepared', 'uploading', 'uploaded', 'processing', 'processed', 'ready'], signal)
      : created;
    const uploaded = await upload(http, prepared, files, signal);
    const ready = await until(http, prepared, ['ready'], signal);
    return deployView(ready, input.draft, uploaded);
  };

  const sites = async ({ name, limit }: z.output<typeof sitesInput>, { signal }: ActionContext) => {
    const http = connect();
    const found: Site[] = [];
    const perPage = Math.min(100, limit);
    for (let page = 1; found.length < limit; page++) {
      const query = { name, filter: 'all', page, per_page: perPage };
      const answer = await http.request({ method: 'GET', path: '/sites', query, repeat: 'always', signal });
      const sitesOfPage = answer.json(z.array(siteShape));
      found.push(...sitesOfPage);
      if (sitesOfPage.length < perPage) break;
    }
    return { sites: found.slice(0, limit).map(siteView) };
  };

  return {
    name: 'netlify',
    title: 'Netlify',
    actions: {
      deploy: {
        description: 'Deploys a folder or a zip of the home to a site, and waits until it is live.',
        input: deployInput,
        run: (input, context) => deploy(input as z.output<typeof deployInput>, context),
      },
      sites: {
        description: 'Lists the sites that the key may see.',
        input: sitesInput,
        run: (input, context) => sites(input as z.output<typeof sitesInput>, context),
      },
    },
    check: () =>
      checked(async () => {
        await connect().request({ method: 'GET', path: '/user', repeat: 'always' });
        return 'Netlify takes the key.';
      }),
  };
}

async function filesOf({ dir, zip }: z.output<typeof deployInput>, home: string): Promise<SiteFile[]> {
  if (dir !== undefined && zip === undefined) return filesOfFolder(home, dir);
  if (zip !== undefined && dir === undefined) return filesOfZip(home, zip);
  throw new DispatcherError('invalid_input', 'A deploy needs a folder or a zip, and not both.', {
    hint: 'Give `dir` or `zip`.',
  });
}

const siteId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** @throws DispatcherError `not_found` where no site has exactly this id or name */
async function findSite(http: Http, site: string, signal: AbortSignal | undefined): Promise<Site> {
  if (siteId.test(site)) {
    const answer = await http.request({ method: 'GET', path: `/sites/${site}`, repeat: 'always', signal });
    return answer.json(siteShape);
  }
  const query = { name: site, filter: 'all', page: 1, per_page: 100 };
  const answer = await http.request({ method: 'GET', path: '/sites', query, repeat: 'always', signal });
  const found = answer.json(z.array(siteShape)).find(({ name }) => name === site);
  if (found !== undefined) return found;
  throw new DispatcherError('not_found', `Netlify has no site named ${JSON.stringify(site)} that the key may see.`, {
    hint: 'The action `sites` lists them. Name one exactly, or give its id.',
  });
}

/** Sends what Netlify asks for, each content once, a few at a time; answers how many. */
async function upload(http: Http, deploy: Deploy, files: SiteFile[], signal: AbortSignal | undefined): Promise<number> {
  const bySha1 = new Map(files.map((file) => [file.sha1, file]));
  const wanted = [...new Set(deploy.required ?? [])]
    .map((sha1) => bySha1.get(sha1))
    .filter((file) => file !== undefined);
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const queue = [...wanted];
  const send = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      either.throwIfAborted();
      await http.request({
        method: 'PUT',
        path: `/deploys/${encodeURIComponent(deploy.id)}/files/${file.path.split('/').map(encodeURIComponent).join('/')}`,
        bytes: await file.read(),
        repeat: 'always',
        timeoutMs: 120_000,
        signal: either,
      });
    }
  };
  try {
    await Promise.all(Array.from({ length: uploadsAtOnce }, send));
  } catch (error) {
    stop.abort(error);
    throw error;
  }
  return wanted.length;
}

const deployView = (deploy: Deploy, draft: boolean, uploaded: number): JsonObject => {
  const own = deploy.deploy_ssl_url ?? deploy.deploy_url ?? null;
  return {
    deploy_id: deploy.id,
    url: draft ? own : (deploy.ssl_url ?? deploy.url ?? own),
    deploy_url: own,
    state: deploy.state,
    uploaded,
  };
};

const siteView = ({ id, name, ssl_url, url, custom_domain }: Site): JsonObject => ({
  id,
  name: name ?? null,
  url: ssl_url ?? url ?? null,
  custom_domain: custom_domain ?? null,
});

const failedDeploy = ({ id, state, error_message }: Deploy): DispatcherError =>
  new DispatcherError('upstream', `Netlify's deploy ${id} came to ${state}: ${error_message ?? 'it says no reason'}.`, {
    hint: 'Look at the deploy in Netlify.',
    details: { deploy_id: id, state },
  });

const slowDeploy = ({ id, state }: Deploy): DispatcherError =>
  new DispatcherError('upstream', `Netlify's deploy ${id} is still ${state} after ${longestWaitMs / 60_000} minutes.`, {
    hint: 'It may still go live: look at the deploy in Netlify.',
    details: { deploy_id: id, state },
  });

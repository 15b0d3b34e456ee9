// Runs every server scenario of the conformance suite in every revision that it applies to. The released suite knows
// revisions up to 2025-11-25, its preview also 2026-07-28 and the extensions.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as notApplicable from './not-applicable.mjs';
import { inPackage, modernNode, run } from './programs.mjs';
import { openProxy } from './proxy.mjs';

const suites = [
  { name: 'conformance', folder: '@modelcontextprotocol/conformance', revisions: ['2025-06-18', '2025-11-25'] },
  {
    name: 'conformance preview',
    folder: 'conformance-preview',
    revisions: ['2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'],
  },
];
const extensions = ['sep-2640-skills-enumeration', 'sep-2640-skills-manifest', 'sep-2640-skills-directory'];

export async function conformance(home, report) {
  const proxy = await openProxy(home);
  const met = new Set();
  const judge = (title, results) => {
    for (const [scenario, checks] of results) {
      met.add(scenario);
      if (!(scenario in notApplicable.scenarios)) report(`${title} ${scenario}`, fault(scenario, checks));
    }
  };
  try {
    for (const { name, folder, revisions } of suites) {
      const ask = askSuite(inPackage(folder), `${proxy.address}/mcp`, home.folder);
      for (const revision of revisions)
        judge(`${name} ${revision}`, await ask('--suite', 'all', '--spec-version', revision));
    }
    const ask = askSuite(inPackage('conformance-preview'), `${proxy.address}/mcp`, home.folder);
    for (const scenario of extensions) judge('conformance preview extension', await ask('--scenario', scenario));
  } finally {
    await proxy.close();
  }
  const stale = Object.keys(notApplicable.scenarios).filter((scenario) => !met.has(scenario));
  report(
    'the list of scenarios that do not apply names only ones that there are',
    stale.length === 0 ? null : stale.join(', '),
  );
}

let asked = 0;

/** One run of the suite: scenario → its checks. */
const askSuite =
  (folder, url, temporary) =>
  async (...which) => {
    const out = join(temporary, `conformance-${asked++}`);
    const said = await run(modernNode, [join(folder, 'dist', 'index.js'), 'server', '--url', url, ...which, '-o', out]);
    const results = new Map();
    for (const entry of await readdir(out).catch(() => [])) {
      const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry)?.[1];
      if (scenario !== undefined)
        results.set(scenario, JSON.parse(await readFile(join(out, entry, 'checks.json'), 'utf8')));
    }
    // A scenario that broke off leaves no checks, but stands in the summary.
    for (const [, scenario] of said.stdout.matchAll(/^[✓✗] ([\w-]+): /gm))
      if (!results.has(scenario)) results.set(scenario, []);
    if (results.size === 0)
      throw new Error(`The suite ran nothing (${which.join(' ')}).\n${said.stdout}${said.stderr}`);
    return results;
  };

/** Null where all that applies passed, and something did. */
function fault(scenario, checks) {
  const excused = notApplicable.checks[scenario] ?? {};
  const failed = checks.filter(({ status, id }) => status === 'FAILURE' && !(id in excused));
  if (failed.length > 0) return failed.map(({ id, errorMessage }) => `${id}: ${errorMessage}`).join('\n');
  return checks.some(({ status, id }) => status === 'SUCCESS' && id !== 'wire-schema-valid')
    ? null
    : 'Nothing was checked.';
}

// Base44: the entities of an app, by the REST API that its dashboard and its own client use.
import { z } from 'zod';
import type { JsonValue } from '../tasks/outcome.js';
import { checked } from './check.js';
import { createHttp, type Http } from './http.js';
import type { ActionContext, Integration } from './index.js';
import { requireSetting, type Variables } from './settings.js';
import { anyObject } from './shapes.js';
import { realTime, type Time } from './time.js';

export interface Base44Options {
  variables: Variables;
  baseUrl?: string;
  time?: Time;
}

/** As many as one request takes. */
const batchSize = 500;

const entity = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]{0,99}$/, 'must be the name of an entity, such as Lead')
  .describe("The entity's name");
const record = z.record(z.string(), z.json());
const records = z.array(record).min(1).max(5000);

const listInput = z.object({
  entity,
  query: record.optional().describe('Fields that must be equal, or a MongoDB-like query'),
  sort: z.string().max(100).optional().describe('A field; with - before it, descending'),
  limit: z.number().int().min(1).max(5000).default(100),
  skip: z.number().int().min(0).default(0),
  fields: z.array(z.string()).max(100).optional(),
});
const createInput = z.object({ entity, data: record });
const bulkInput = z.object({ entity, records });
const upsertInput = z.object({
  entity,
  records,
  key: z.array(z.string().min(1)).min(1).max(5).describe('The fields that together tell records apart'),
});

const upsertShape = z.object({ created: z.number(), updated: z.number(), records: z.array(anyObject) });

export function createBase44({
  variables,
  baseUrl = 'https://app.base44.com/api',
  time = realTime,
}: Base44Options): Integration {
  const connect = (): { http: Http; path: (name: string) => string } => {
    const key = requireSetting(variables, 'BASE44_API_KEY', 'Base44');
    const app = requireSetting(variables, 'BASE44_APP_ID', 'Base44');
    const http = createHttp({ service: 'Base44', baseUrl, headers: { api_key: key }, secrets: [key], time });
    return { http, path: (name) => `/apps/${encodeURIComponent(app)}/entities/${name}` };
  };

  const list = async (input: z.output<typeof listInput>, { signal }: ActionContext) => {
    const { http, path } = connect();
    const answer = await http.request({
      method: 'GET',
      path: path(input.entity),
      query: {
        q: input.query === undefined ? undefined : JSON.stringify(input.query),
        sort: input.sort,
        limit: input.limit,
        skip: input.skip === 0 ? undefined : input.skip,
        fields: input.fields?.join(','),
      },
      repeat: 'always',
      signal,
    });
    return { records: answer.json(z.array(anyObject)) };
  };

  const create = async (input: z.output<typeof createInput>, { signal }: ActionContext) => {
    const { http, path } = connect();
    // There is no idempotency key: what nobody knows to have arrived is not sent again.
    const answer = await http.request({
      method: 'POST',
      path: path(input.entity),
      json: input.data,
      repeat: 'never',
      signal,
    });
    return { record: answer.json(anyObject) };
  };

  const bulk = async (input: z.output<typeof bulkInput>, { signal }: ActionContext) => {
    const { http, path } = connect();
    const made: JsonValue[] = [];
    for (const batch of batches(input.records)) {
      const answer = await http.request({
        method: 'POST',
        path: `${path(input.entity)}/bulk`,
        json: batch,
        repeat: 'never',
        signal,
      });
      made.push(...answer.json(z.array(anyObject)));
    }
    return { created: made.length, records: made };
  };

  const upsert = async (input: z.output<typeof upsertInput>, { signal }: ActionContext) => {
    const { http, path } = connect();
    const done = { created: 0, updated: 0, records: [] as JsonValue[] };
    for (const batch of batches(input.records)) {
      const answer = await http.request({
        method: 'POST',
        path: `${path(input.entity)}/upsert`,
        json: { records: batch, key: input.key },
        repeat: 'always',
        signal,
      });
      const { created, updated, records: written } = answer.json(upsertShape);
      done.created += created;
      done.updated += updated;
      done.records.push(...written);
    }
    return done;
  };

  return {
    name: 'base44',
    title: 'Base44',
    actions: {
      list: {
        description: 'Lists records of an entity.',
        input: listInput,
        run: (input, context) => list(input as z.output<typeof listInput>, context),
      },
      create: {
        description: 'Creates one record.',
        input: createInput,
        run: (input, context) => create(input as z.output<typeof createInput>, context),
      },
      bulk: {
        description: 'Creates many records.',
        input: bulkInput,
        run: (input, context) => bulk(input as z.output<typeof bulkInput>, context),
      },
      upsert: {
        description: 'Updates records that match on the key fields and creates the others.',
        input: upsertInput,
        run: (input, context) => upsert(input as z.output<typeof upsertInput>, context),
      },
    },
    check: () =>
      checked(async () => {
        connect();
        return 'Base44 has a key and an app id; whether it takes them shows at the first call, since each call needs an entity.';
      }),
  };
}

function batches<T>(all: T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / batchSize) }, (_, index) =>
    all.slice(index * batchSize, (index + 1) * batchSize),
  );
}

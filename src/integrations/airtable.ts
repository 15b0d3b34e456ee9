// Airtable: rows in and out, by its Web API (airtable.com/developers/web/api).
// Its limits are kept here: 10 records a request, 5 requests a second for each base, 30 s of silence after a 429.
import { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import { checked } from './check.js';
import { createHttp, type Http } from './http.js';
import type { ActionContext, Integration } from './index.js';
import { requireSetting, setting, type Variables } from './settings.js';
import { anyObject } from './shapes.js';
import { createPace, realTime, type Time } from './time.js';

export interface AirtableOptions {
  variables: Variables;
  baseUrl?: string;
  time?: Time;
}

const batchSize = 10;
const pageSize = 100;
const spacingMs = 200;
const silenceMs = 30_000;

const base = z
  .string()
  .regex(/^app[A-Za-z0-9]+$/, 'must be the id of a base, such as appXXXXXXXXXXXXXX')
  .optional()
  .describe('Default: AIRTABLE_BASE_ID');
const table = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!\.{1,2}$)/, 'must be the name of a table')
  .describe("The table's id or name; an id survives renaming");
const fields = z.record(z.string(), z.json());

const upsertInput = z.object({
  base,
  table,
  records: z.array(z.strictObject({ fields })).min(1).max(5000),
  fields_to_merge_on: z.array(z.string().min(1)).min(1).max(3).describe('The fields that together tell records apart'),
  typecast: z.boolean().default(false).describe('Let Airtable turn texts into its cell values'),
});

const listInput = z.object({
  base,
  table,
  filter: z.string().max(8000).optional().describe("A formula, such as {Status}='Open'"),
  view: z.string().max(200).optional(),
  fields: z.array(z.string()).max(100).optional().describe('Only these fields'),
  max_records: z.number().int().min(1).max(10_000).default(1000),
});

const recordShape = z.object({ id: z.string(), createdTime: z.string().optional(), fields: anyObject });
const upsertShape = z.object({
  records: z.array(recordShape),
  createdRecords: z.array(z.string()).default([]),
  updatedRecords: z.array(z.string()).default([]),
});
const pageShape = z.object({ records: z.array(recordShape), offset: z.string().optional() });

export function createAirtable({
  variables,
  baseUrl = 'https://api.airtable.com',
  time = realTime,
}: AirtableOptions): Integration {
  const pace = createPace(spacingMs, time);

  const baseId = (given: string | undefined): string =>
    given ?? requireSetting(variables, 'AIRTABLE_BASE_ID', 'Airtable');

  const connect = (paceKey: string): Http => {
    const key = requireSetting(variables, 'AIRTABLE_API_KEY', 'Airtable');
    return createHttp({
      service: 'Airtable',
      baseUrl,
      headers: { authorization: `Bearer ${key}` },
      secrets: [key],
      time,
      defaultWaitMs: silenceMs,
      before: (signal) => pace.take(paceKey, signal),
      onWait: (ms) => pace.hold(paceKey, ms),
    });
  };

  const upsert = async (input: z.output<typeof upsertInput>, { signal }: ActionContext) => {
    const id = baseId(input.base);
    const http = connect(id);
    const done = { created: 0, updated: 0, records: [] as JsonObject[] };
    for (let from = 0; from < input.records.length; from += batchSize) {
      const answer = await http
        .request({
          method: 'PATCH',
          path: tablePath(id, input.table),
          json: {
            performUpsert: { fieldsToMergeOn: input.fields_to_merge_on },
            typecast: input.typecast,
            records: input.records.slice(from, from + batchSize),
          },
          repeat: 'always',
          signal,
        })
        .then((given) => given.json(upsertShape))
        .catch((error: unknown) => {
          throw halfWay(error, from, done);
        });
      const { records, createdRecords, updatedRecords } = answer;
      done.created += createdRecords.length;
      done.updated += updatedRecords.length;
      done.records.push(...records.map(recordView));
    }
    return done;
  };

  const list = async (input: z.output<typeof listInput>, { signal }: ActionContext) => {
    const id = baseId(input.base);
    const http = connect(id);
    const records: JsonObject[] = [];
    let offset: string | undefined;
    do {
      const answer = await http.request({
        method: 'POST',
        path: `${tablePath(id, input.table)}/listRecords`,
        json: {
          pageSize: Math.min(pageSize, input.max_records - records.length),
          ...(input.filter === undefined ? {} : { filterByFormula: input.filter }),
          ...(input.view === undefined ? {} : { view: input.view }),
          ...(input.fields === undefined ? {} : { fields: input.fields }),
          ...(offset === undefined ? {} : { offset }),
        },
        repeat: 'always',
        signal,
      });
      const page = answer.json(pageShape);
      records.push(...page.records.map(recordView));
      offset = page.offset;
    } while (offset !== undefined && records.length < input.max_records);
    return { records, complete: offset === undefined };
  };

  return {
    name: 'airtable',
    title: 'Airtable',
    actions: {
      upsert: {
        description: 'Updates records that match on the given fields and creates the others.',
        input: upsertInput,
        run: (input, context) => upsert(input as z.output<typeof upsertInput>, context),
      },
      list: {
        description: 'Lists records of a table, filtered by a formula; `complete` says whether there are more.',
        input: listInput,
        run: (input, context) => list(input as z.output<typeof listInput>, context),
      },
    },
    check: () =>
      checked(async () => {
        await connect('meta').request({ method: 'GET', path: '/v0/meta/whoami', repeat: 'always' });
        const noBase = setting(variables, 'AIRTABLE_BASE_ID') === null;
        return `Airtable takes the key${noBase ? '; AIRTABLE_BASE_ID is not set, so each call must name a base' : ''}.`;
      }),
  };
}

const tablePath = (id: string, name: string): string => `/v0/${encodeURIComponent(id)}/${encodeURIComponent(name)}`;

const recordView = ({ id, createdTime, fields: cells }: z.output<typeof recordShape>): JsonObject => ({
  id,
  ...(createdTime === undefined ? {} : { created_time: createdTime }),
  fields: cells,
});

/** Batches are written one by one: a refusal in the middle says how far it came. */
function halfWay(error: unknown, written: number, { created, updated }: { created: number; updated: number }): unknown {
  if (!(error instanceof DispatcherError) || written === 0) return error;
  return new DispatcherError(error.code, `${error.message} The first ${written} records were written before that.`, {
    hint: 'Sending all of them again is safe: those that match are updated.',
    details: { ...error.details, written, created, updated },
    cause: error,
  });
}

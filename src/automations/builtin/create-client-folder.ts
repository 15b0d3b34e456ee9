// A new client's folder: the standard folders in their order, and a profile to fill in. All of it or nothing.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ordinaryPlace, type Place } from '../../directives/ordinary-place.js';
import type { AutomationContext } from '../definition.js';
import { alreadyThere, makeFolder } from './make-folder.js';

const folders = ['01-brief', '02-brand', '03-content', '04-design', '05-site', '06-reports'];
const profileFile = 'profile.json';
/** Lower case alone: a file system that ignores case must not see two names in one. */
const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export const description =
  'Makes clients/<client_name> with numbered standard folders and a profile file. Refuses a name that is not kebab-case and a client that exists.';

export const params = z.object({
  client_name: z
    .string()
    .max(60)
    .regex(kebabCase, 'must be kebab-case: lower-case letters, digits and single hyphens, such as acme-bakery')
    .describe('The folder under clients/, in kebab-case'),
  title: z.string().min(1).max(200).optional().describe('What people call the client; default: made from the name'),
});

type Params = z.output<typeof params>;

export async function plan({ client_name }: Params, { home }: AutomationContext) {
  return { would_write: written(await freePlace(home, client_name)) };
}

export async function run({ client_name, title }: Params, { home, signal }: AutomationContext) {
  const place = await freePlace(home, client_name);
  const profile = { name: client_name, title: title ?? titleOf(client_name), contact: '', website: '', notes: '' };
  await makeFolder(place, async (draft) => {
    for (const folder of folders) await mkdir(join(draft, folder));
    await writeFile(join(draft, profileFile), `${JSON.stringify(profile, null, 2)}\n`);
    signal.throwIfAborted();
  });
  return { client: client_name, path: place.name, wrote: written(place) };
}

async function freePlace(home: string, clientName: string): Promise<Place> {
  const place = await ordinaryPlace(home, join('clients', clientName));
  if (place.exists) throw alreadyThere(place.name);
  return place;
}

const written = ({ name }: Place): string[] => [
  ...folders.map((folder) => `${join(name, folder)}/`),
  join(name, profileFile),
];

const titleOf = (name: string): string =>
  name
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(' ');

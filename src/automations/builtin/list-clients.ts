// The clients that have a folder, each with its profile. Reads only.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { containedPath } from '../../directives/contain.js';
import { ordinaryPlace } from '../../directives/ordinary-place.js';
import type { JsonObject, JsonValue } from '../../tasks/outcome.js';
import type { AutomationContext } from '../definition.js';

export const description = 'Lists the folders under clients/, each with its profile file.';

export const params = z.object({});

export async function run(_params: z.output<typeof params>, { home }: AutomationContext) {
  const place = await ordinaryPlace(home, 'clients');
  if (!place.exists) return { clients: [] };
  const entries = await readdir(place.path, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() && !/^[._]/.test(entry.name)).map(({ name }) => name);
  return { clients: await Promise.all(names.sort().map((name) => client(place.path, name))) };
}

async function client(folder: string, name: string): Promise<JsonObject> {
  const profile = await containedPath(join(folder, name), 'profile.json');
  if (typeof profile === 'string') return { name, profile: null, error: null };
  try {
    return { name, profile: JSON.parse(await readFile(profile.path, 'utf8')) as JsonValue, error: null };
  } catch (error) {
    return { name, profile: null, error: `profile.json cannot be read: ${(error as Error).message}` };
  }
}

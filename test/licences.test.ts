// The built command contains its packages: what they ask for is passed on with it.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { command } from './helpers/doe.js';

/** All may be passed on under MIT's terms beside their own. */
const compatible = ['MIT', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0'];

test('the licence of every package in the command stands beside it, and is compatible with ours', () => {
  const texts = readFileSync(join(dirname(command()), 'LICENSES.txt'), 'utf8');
  const found = [...texts.matchAll(/^(\S+) \d+\.\d+\.\d+\S* \((.+)\)$/gm)].map(([, name, licence]) => [name, licence]);
  expect(found.map(([name]) => name)).toEqual(expect.arrayContaining(['zod', 'hono', '@modelcontextprotocol/server']));
  expect(found.filter(([, licence]) => !compatible.includes(licence ?? ''))).toEqual([]);
});

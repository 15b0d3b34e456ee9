import { expect, test } from 'vitest';
import { loadConfig } from '../src/config.js';
import { refusalOf } from './helpers/errors.js';
import { temporaryFolder, writeFiles } from './helpers/test-app.js';

test('one key in both lists, which would make every agent an operator, stops the start', async () => {
  const shared = 'one-key-for-all-0123456789abcdefghijk';
  const settings = { MCP_API_KEY: `jo:${shared}`, MCP_AGENT_KEY: `bot:${shared}` };
  const error = await refusalOf(() => loadConfig(temporaryFolder(), settings));
  expect(error.code).toBe('config_invalid');
  expect(error.message).not.toContain(shared);
});

test('what every object has is no setting', () => {
  const { variables } = loadConfig(temporaryFolder(), {});
  for (const name of ['constructor', '__proto__', 'toString']) expect(variables[name]).toBeUndefined();
});

test('an empty value of the environment is none: what .env says counts, for every setting and for what scripts are handed', () => {
  const home = temporaryFolder();
  writeFiles(home, { '.env': 'PORT=4000\nDOE_MIN_ACK=operator\nNETLIFY_AUTH_TOKEN=n1\n' });
  const config = loadConfig(home, { PORT: '', DOE_MIN_ACK: '', NETLIFY_AUTH_TOKEN: '', HOST: '' });
  expect(config).toMatchObject({ port: 4000, minAck: 'operator', host: '127.0.0.1' });
  expect(config.variables.NETLIFY_AUTH_TOKEN).toBe('n1');
});

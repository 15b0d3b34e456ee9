import { expect, test } from 'vitest';
import { loadConfig } from '../src/config.js';
import { refusalOf } from './helpers/errors.js';
import { temporaryFolder } from './helpers/test-app.js';

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

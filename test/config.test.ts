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

test.each(['MCP_URL', 'DOE_PUBLIC_URL', 'DOE_WEBHOOK_URL', 'N8N_WEBHOOK_URL', 'N8N_API_URL'])(
  'a password in the address of %s stops the start, and stands in no message',
  async (name) => {
    for (const user of ['jen:hunter-2000', 'hunter-2000', 'hunter-2000:']) {
      const settings = { DOE_WEBHOOK_SECRET: 'x'.repeat(16), [name]: `https://${user}@n8n.example/webhook/1` };
      const error = await refusalOf(() => loadConfig(temporaryFolder(), settings));
      expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('user and password') });
      expect(error.message + error.hint).not.toContain('hunter');
    }
    const plain = { DOE_WEBHOOK_SECRET: 'x'.repeat(16), [name]: 'https://n8n.example/webhook/@1' };
    expect(loadConfig(temporaryFolder(), plain).variables[name]).toContain('@1');
  },
);

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

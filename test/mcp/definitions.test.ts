import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { instructions } from '../../src/mcp/instructions.js';
import { createTestApp, operatorKey } from '../helpers/test-app.js';
import { connect } from './clients.js';

const key = operatorKey.slice(operatorKey.indexOf(':') + 1);

async function listTools() {
  const app = await createTestApp({ noWorker: true });
  const client = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key });
  return (await client.raw.listTools()).tools as Tool[];
}

interface Tool {
  name: string;
  title: string;
  description: string;
  inputSchema: Record<string, unknown>;
  outputSchema: Record<string, unknown>;
  annotations: Record<string, unknown>;
  icons: unknown[];
}

test('the twelve tools, their words and schemas, are the ones that were agreed on', async () => {
  const tools = await listTools();
  expect(
    tools.map(({ name, title, description, inputSchema, outputSchema, annotations }) => ({
      name,
      title,
      description,
      inputSchema,
      outputSchema,
      annotations,
    })),
  ).toMatchSnapshot();
});

test('every tool has a title, a description, both schemas, all four annotations and an icon', async () => {
  const tools = await listTools();
  expect(tools).toHaveLength(12);
  for (const tool of tools) {
    expect(Object.keys(tool.annotations)).toEqual(
      expect.arrayContaining(['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint']),
    );
    expect(tool.title.length * tool.description.length * tool.icons.length).toBeGreaterThan(0);
    expect(tool.inputSchema).toMatchObject({ type: 'object' });
    expect(tool.outputSchema).toMatchObject({ type: 'object' });
    for (const schema of [tool.inputSchema, tool.outputSchema]) {
      for (const root of ['oneOf', 'anyOf', 'allOf', 'not', 'enum']) expect(schema).not.toHaveProperty(root);
      expect(JSON.stringify(schema)).not.toMatch(/"\$(ref|defs)"/);
    }
  }
});

test('every description says when to use the tool, and names what to call next where something follows', async () => {
  const ends = ['cancel_task', 'validate_ack', 'run_automation'];
  const tools = await listTools();
  const names = tools.map(({ name }) => name);
  for (const { name, description } of tools) {
    expect([name, description]).toEqual([
      name,
      expect.stringMatching(/\bUse |Records a failure that you saw|was repaired/),
    ]);
    const others = names.filter((other) => other !== name && description.includes(other));
    expect([name, others.length > 0 || ends.includes(name) || description.includes('next')]).toEqual([name, true]);
  }
});

test('all definitions together stay under 3,000 tokens, the instructions under 250 words', async () => {
  const tools = await listTools();
  const readByModels = tools.map(({ icons: _, ...tool }) => tool);
  expect(encode(JSON.stringify(readByModels)).length).toBeLessThan(3_000);
  expect(instructions.split(/\s+/).length).toBeLessThan(250);
});

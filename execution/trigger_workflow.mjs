// Starts an n8n workflow through its webhook and keeps what it answers.
import { integration, payload, progress, result, validate } from './doe.mjs';

await validate();
const { data = {}, method = 'POST' } = payload();

progress(10, 'calling the workflow');
const answer = await integration('n8n', 'trigger', { data, method });
progress(100, 'the workflow has answered');
result(answer ?? null);

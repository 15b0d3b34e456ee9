// Starts an n8n workflow through its webhook and keeps what it answers.
import { integration, payload, progress, result, validate } from './doe.mjs';

/** A result is read by people and models; what is longer stays with n8n. */
const mostCharacters = 100_000;

await validate();
const { data = {}, method = 'POST', path } = payload();

progress(10, 'calling the workflow');
const answer = await integration('n8n', 'trigger', { data, method, ...(path === undefined ? {} : { path }) });
progress(100, `the workflow answered with ${answer.status}`);

const { length } = JSON.stringify(answer);
if (length > mostCharacters) console.log(`its answer is left out: it has ${length} characters`);
result(length > mostCharacters ? { status: answer.status, left_out: length } : answer);

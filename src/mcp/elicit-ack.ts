// Asking the person, in both protocol eras. An answer counts once, only with a nonce that this server made, kept, and
// bound to the task as it was shown, the caller and the line; a model that forges or replays one leaves the task as it is.
import { createHash, randomBytes } from 'node:crypto';
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  ProtocolError,
  type Server,
} from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { acknowledge } from '../tools/index.js';
import { invoke } from '../tools/operation.js';
import { requireTask } from '../tools/views.js';
import { type AckForm, ackForm, readAnswer } from './ack-form.js';
import type { AckAnswer as Answer, ToolCall } from './connection.js';

const purpose = 'ack_form';
const formKey = 'acknowledgement';
/** How long a form stays answerable. */
const formMs = 10 * 60_000;
/** How long a call waits for it: hosts give up on calls after a minute. */
const formWaitMs = 40_000;

type Fields = z.output<typeof acknowledge.input>;

export type AskPerson = (
  dispatcher: Dispatcher,
  input: object,
  call: ToolCall,
) => Promise<Answer | InputRequiredResult>;

export function createAskPerson(server: () => Server, waitMs = formWaitMs): AskPerson {
  return async (dispatcher, input, call) => {
    const echoed = call.connection.era === 'modern' ? call.context.mcpReq.requestState<string>() : undefined;
    if (typeof echoed === 'string') {
      const answer = await answeredForm(dispatcher, input, call, echoed);
      if (answer !== null) return answer;
    }
    const direct = await withoutAsking(dispatcher, input, call);
    if ('answer' in direct) return direct.answer;
    const fields = input as Fields;
    if (direct.wanted !== 'client' || !call.connection.mayAsk || !canElicit(server(), call))
      return waiting(dispatcher, fields.task_id, whoDecides(direct.wanted));
    const form = await ackForm(dispatcher, fields.task_id);
    if (form === null)
      return waiting(dispatcher, fields.task_id, 'The person must decide on the page: it does not fit into a form.');
    if (call.connection.era === 'modern') return formResult(dispatcher, input, call, form);
    return pushForm(dispatcher, fields, call, { form, waitMs });
  };
}

/** What the call's own word is worth: enough, or what would be. */
async function withoutAsking(
  dispatcher: Dispatcher,
  input: object,
  { call }: ToolCall,
): Promise<{ answer: Answer } | { wanted: unknown }> {
  try {
    return { answer: await invoke(dispatcher, acknowledge, input, call) };
  } catch (error) {
    const wanted = error instanceof DispatcherError && error.code === 'not_allowed' ? error.details?.wanted : undefined;
    if (wanted === undefined || (input as Fields).decision === 'reject') throw error;
    return { wanted };
  }
}

/** A client that declares `elicitation: {}` means forms, as before there were other modes. */
function canElicit(server: Server, { context }: ToolCall): boolean {
  const envelope = context.mcpReq.envelope as Record<string, unknown> | undefined;
  const ofRequest = envelope?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  const declared = (ofRequest ?? server.getClientCapabilities())?.elicitation;
  return declared !== undefined && (declared.form !== undefined || declared.url === undefined);
}

const whoDecides = (wanted: unknown): string =>
  wanted === 'client'
    ? 'This client cannot ask its user here.'
    : `This directive wants more than an answer in the client (${String(wanted)}).`;

/** What a form is bound to. The arguments are part of it: the same answer does not serve another call. */
const boundTo = (input: object, { connection }: ToolCall, binding: string): JsonObject => ({
  task_id: (input as Fields).task_id,
  binding,
  principal: connection.caller.principal,
  key: connection.caller.keyId,
  era: connection.era,
  line: connection.id,
  arguments: createHash('sha256').update(JSON.stringify(input)).digest('hex'),
});

async function mint(dispatcher: Dispatcher, data: JsonObject): Promise<string> {
  const id = randomBytes(24).toString('base64url');
  const expiresAt = (await dispatcher.store.now()) + formMs;
  await dispatcher.store.people.mintNonce({ id, purpose, data, expiresAt });
  return id;
}

/** 2026-07-28: the form goes out with the result, the answer comes with the call's repetition. */
async function formResult(
  dispatcher: Dispatcher,
  input: object,
  call: ToolCall,
  { message, requestedSchema, binding }: AckForm,
): Promise<InputRequiredResult> {
  return inputRequired({
    inputRequests: { [formKey]: inputRequired.elicit({ message, requestedSchema }) },
    requestState: await mint(dispatcher, boundTo(input, call, binding)),
  });
}

/** Null where the state is not one that we gave for exactly this call, or is over: then the person is asked anew. */
async function answeredForm(
  dispatcher: Dispatcher,
  input: object,
  call: ToolCall,
  nonceId: string,
): Promise<Answer | null> {
  const nonce = await dispatcher.store.people.consumeNonce(nonceId, purpose);
  if (nonce === null) return null;
  const { binding } = nonce.data;
  const same = boundTo(input, call, String(binding));
  if (Object.keys(same).some((name) => same[name] !== nonce.data[name])) return null;
  const { task_id } = input as Fields;
  const response = inputResponse(call.context.mcpReq.inputResponses, formKey);
  if (response.kind !== 'elicit') return null;
  if (response.action !== 'accept') return dismissed(dispatcher, task_id);
  const form = await ackForm(dispatcher, task_id);
  if (form === null || form.binding !== binding) return null;
  return decide(dispatcher, input as Fields, call, { form, nonceId, content: response.content });
}

/**
 * The 2025 era: the form is a request of ours to the client. The call answers after 40 s at the latest; the form stays
 * answerable on this line while its nonce lives.
 */
async function pushForm(
  dispatcher: Dispatcher,
  fields: Fields,
  call: ToolCall,
  { form, waitMs }: { form: AckForm; waitMs: number },
): Promise<Answer> {
  const { openForms: open, ended } = call.connection;
  if (ended?.aborted) return waiting(dispatcher, fields.task_id, lineEnded);
  const key = `${fields.task_id} ${form.binding}`;
  let pending = open.get(key);
  if (pending === undefined) {
    const nonceId = await mint(dispatcher, boundTo(fields, call, form.binding));
    pending = elicit(dispatcher, fields, call, { form, nonceId }).finally(() => open.delete(key));
    open.set(key, pending);
    pending.catch((error: unknown) => dispatcher.log.debug('mcp.form_failed', { task_id: fields.task_id, error }));
  }
  let stop = () => {};
  const enough = new Promise<string>((resolve) => {
    const timer = setTimeout(resolve, waitMs, 'The form is open and was not answered yet.');
    const onEnd = () => resolve(lineEnded);
    ended?.addEventListener('abort', onEnd);
    stop = () => {
      clearTimeout(timer);
      ended?.removeEventListener('abort', onEnd);
    };
  });
  try {
    const answer = await Promise.race([pending, enough]);
    return typeof answer === 'string' ? await waiting(dispatcher, fields.task_id, answer) : answer;
  } finally {
    stop();
  }
}

const lineEnded = 'The client closed the line, so that nobody can answer a form on it.';

async function elicit(
  dispatcher: Dispatcher,
  fields: Fields,
  call: ToolCall,
  { form, nonceId }: { form: AckForm; nonceId: string },
): Promise<Answer> {
  const { message, requestedSchema } = form;
  let response: Awaited<ReturnType<typeof call.context.mcpReq.elicitInput>>;
  try {
    response = await call.context.mcpReq.elicitInput({ mode: 'form', message, requestedSchema }, { timeout: formMs });
  } catch (error) {
    dispatcher.log.debug('mcp.form_unanswered', { task_id: fields.task_id, error });
    return waiting(dispatcher, fields.task_id, whyUnanswered(error));
  }
  if (response.action !== 'accept') return dismissed(dispatcher, fields.task_id);
  const nonce = await dispatcher.store.people.consumeNonce(nonceId, purpose);
  if (nonce === null) return waiting(dispatcher, fields.task_id, 'The form was answered too late.');
  return decide(dispatcher, fields, call, { form, nonceId, content: response.content });
}

/** Only an answer is an error of the protocol; the rest is that the line is gone or the time is over. */
const whyUnanswered = (error: unknown): string =>
  error instanceof ProtocolError
    ? 'The client answered the form with an error, or with what does not fit it, which is no yes.'
    : 'The form was not answered.';

async function decide(
  dispatcher: Dispatcher,
  { task_id, actor_id }: Fields,
  { call }: ToolCall,
  { form, nonceId, content }: { form: AckForm; nonceId: string; content: unknown },
): Promise<Answer> {
  const answer = readAnswer(content, task_id, form);
  if (answer.decision === null) return waiting(dispatcher, task_id, answer.why);
  const evidence = { kind: 'elicited', nonceId } as const;
  const common = { task_id, actor_id, binding: form.binding };
  return answer.decision === 'reject'
    ? invoke(
        dispatcher,
        acknowledge,
        { ...common, decision: 'reject', ...(answer.reason === undefined ? {} : { reason: answer.reason }) },
        { ...call, evidence },
      )
    : invoke(dispatcher, acknowledge, { ...common, answers_json: answer.answers }, { ...call, evidence });
}

/** Hosts decline on their own, unseen by anyone: that is no refusal. */
const dismissed = (dispatcher: Dispatcher, taskId: string): Promise<Answer> =>
  waiting(dispatcher, taskId, 'The form was closed without an answer.');

async function waiting(dispatcher: Dispatcher, taskId: string, why: string): Promise<Answer> {
  const task = await requireTask(dispatcher, taskId);
  const approveUrl = await dispatcher.approveUrl(taskId);
  return {
    ack_id: null,
    task_id: taskId,
    status: task.status,
    assurance: task.assurance,
    expires_at: null,
    approve_url: approveUrl,
    next: `${why} Stop here: do not call acknowledge again unless the person asks for it. Tell them that the task waits for them: at ${approveUrl} or with \`doe ack ${taskId}\` in a terminal. Then call task_status with task_id ${taskId} and wait_seconds 45.`,
  };
}

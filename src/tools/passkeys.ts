// The two ceremonies of a passkey: letting one in, and agreeing with one to a task. Each challenge is made here, once, for one use.
import { randomBytes } from 'node:crypto';
import {
  assertionOptions,
  challengeOf,
  type RelyingParty,
  registrationOptions,
  verifyAssertion,
  verifyRegistration,
} from '../acks/passkey.js';
import { DispatcherError, publicError } from '../errors.js';
import type { Consent, Credential } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import type { CallContext, Evidence } from './operation.js';
import { byOf, requireOperator } from './views.js';

const approvalPurpose = 'passkey_approval';
const enrolmentPurpose = 'passkey_enrolment';
const ceremonyMs = 5 * 60_000;

export interface Ceremony {
  /** Names the challenge; comes back with the answer. */
  nonce: string;
  /** For `navigator.credentials.get`; null where none is wanted. */
  request: JsonObject | null;
  /** For `navigator.credentials.create`; null where none is wanted. */
  creation: JsonObject | null;
}

const refused = (why: string, hint = 'Load the page anew and try again.'): DispatcherError =>
  new DispatcherError('passkey_refused', `The passkey was not accepted: ${why}`, { hint });

/** The passkeys that a page of this name can ask for. */
export const credentialsOf = async ({ store }: Dispatcher, { rpId }: RelyingParty): Promise<Credential[]> =>
  (await store.people.credentials()).filter((credential) => credential.rpId === rpId);

async function mint(
  { store }: Dispatcher,
  purpose: string,
  covered: JsonObject,
): Promise<{ nonce: string; challenge: string }> {
  const nonce = randomBytes(24).toString('base64url');
  const expiresAt = (await store.now()) + ceremonyMs;
  const data = { ...covered, nonce, expires_at: expiresAt };
  await store.people.mintNonce({ id: nonce, purpose, data, expiresAt });
  return { nonce, challenge: challengeOf(data) };
}

async function redeem({ store }: Dispatcher, purpose: string, nonce: string): Promise<JsonObject> {
  const found = await store.people.consumeNonce(nonce, purpose);
  if (found === null) throw refused('its challenge was used, is older than five minutes, or was never made.');
  return found.data;
}

/** What a touch for a task covers, as `details` of the challenge. */
const coveredBy = ({ id, pins }: Task, keyId: string | null): JsonObject => ({
  purpose: approvalPurpose,
  task: id,
  directive: pins.directiveSha256,
  payload: pins.payloadSha256,
  files: pins.filesSha256,
  script: pins.scriptSha256,
  key_id: keyId,
});

/** Begins an approval of the task as it is pinned now. */
export async function beginApproval(
  dispatcher: Dispatcher,
  task: Task,
  party: RelyingParty,
  { caller }: CallContext,
): Promise<Ceremony> {
  const credentials = await credentialsOf(dispatcher, party);
  if (credentials.length === 0)
    throw refused('none is enrolled for this page.', 'Enrol one at /ui/passkeys (`doe passkey add`).');
  const { nonce, challenge } = await mint(dispatcher, approvalPurpose, coveredBy(task, caller.keyId));
  return { nonce, request: await assertionOptions(party, challenge, credentials), creation: null };
}

/** What came back from the browser. */
export interface Touch {
  nonce: string;
  assertion: JsonObject;
}

/**
 * The evidence that a touch for this very task gives.
 * @throws DispatcherError `passkey_refused`, audited
 */
export async function finishApproval(
  dispatcher: Dispatcher,
  task: Task,
  { party, touch, call }: { party: RelyingParty; touch: Touch; call: CallContext },
): Promise<Extract<Evidence, { kind: 'passkey' }>> {
  return audited(dispatcher, task.id, call, async () => {
    const covered = await redeem(dispatcher, approvalPurpose, touch.nonce);
    const wanted: JsonObject = coveredBy(task, call.caller.keyId);
    if (Object.keys(wanted).some((part) => covered[part] !== wanted[part]))
      throw refused('it was touched for another task, another content or another session.');
    const credential = await useCredential(dispatcher, { party, covered, assertion: touch.assertion });
    const { id: credentialId, owner } = credential;
    return { kind: 'passkey', credentialId, owner, assertion: touch.assertion, covered, origin: party.origin };
  });
}

async function useCredential(
  dispatcher: Dispatcher,
  { party, covered, assertion }: { party: RelyingParty; covered: JsonObject; assertion: JsonObject },
): Promise<Credential> {
  const credential = (await credentialsOf(dispatcher, party)).find(({ id }) => id === assertion.id);
  if (credential === undefined) throw refused('it is not one of this home.');
  const counter = await verifyAssertion(party, challengeOf(covered), credential, assertion);
  if (!(await dispatcher.store.people.useCredential(credential.id, counter)))
    throw refused('its counter did not go up, as that of a copy would not.');
  return credential;
}

/** Begins the enrolment of a passkey for the caller; past the first one, an enrolled one must be touched as well. */
export async function beginEnrolment(
  dispatcher: Dispatcher,
  party: RelyingParty,
  call: CallContext,
): Promise<Ceremony> {
  requireOperator(call, 'Enrolling a passkey');
  const owner = ownerOf(call);
  const known = await credentialsOf(dispatcher, party);
  const first = (await dispatcher.store.people.credentials()).length === 0;
  if (!first && known.length === 0)
    throw refused(
      `the home’s passkeys belong to another name than ${party.rpId}.`,
      'Open the page under the name that the first one was enrolled at.',
    );
  const covered = { purpose: enrolmentPurpose, owner, rp_id: party.rpId, key_id: call.caller.keyId };
  const { nonce, challenge } = await mint(dispatcher, enrolmentPurpose, covered);
  return {
    nonce,
    request: first ? null : await assertionOptions(party, challenge, known),
    creation: await registrationOptions(party, challenge, {
      name: owner,
      known: known.filter((credential) => credential.owner === owner),
    }),
  };
}

/** @throws DispatcherError `passkey_refused`, audited */
export async function finishEnrolment(
  dispatcher: Dispatcher,
  {
    party,
    registration,
    touch,
    call,
  }: { party: RelyingParty; registration: JsonObject; touch: Partial<Touch>; call: CallContext },
): Promise<void> {
  requireOperator(call, 'Enrolling a passkey');
  await audited(dispatcher, null, call, async () => {
    const covered = await redeem(dispatcher, enrolmentPurpose, touch.nonce ?? '');
    const owner = ownerOf(call);
    if (covered.owner !== owner || covered.key_id !== call.caller.keyId || covered.rp_id !== party.rpId)
      throw refused('the enrolment was begun by somebody else.');
    const credential = await verifyRegistration(party, challengeOf(covered), registration);
    const voucher =
      touch.assertion === undefined
        ? null
        : await useCredential(dispatcher, { party, covered, assertion: touch.assertion });
    const added = await dispatcher.store.people.addCredential(
      { ...credential, owner, rpId: party.rpId, vouchedBy: voucher?.id ?? null },
      byOf(call),
    );
    if (!added) throw refused('it is known already, or an enrolled one must be touched as well.');
  });
}

const ownerOf = ({ caller }: CallContext): string => caller.person ?? 'operator';

/** A refused touch stands in the audit trail. */
async function audited<Result>(
  { store }: Dispatcher,
  taskId: string | null,
  call: CallContext,
  ceremony: () => Promise<Result>,
): Promise<Result> {
  try {
    return await ceremony();
  } catch (error) {
    const { code, error: message } = publicError(error);
    if (code === 'passkey_refused')
      await store.ledger.record({ taskId, type: 'passkey_refused', assurance: null, data: { message } }, byOf(call));
    throw error;
  }
}

/** A consent whose assertion no longer proves what its row says. */
export interface ConsentFault {
  taskId: string;
  message: string;
}

/** Checks every kept assertion again, with the public key that it was given under. */
export async function verifyConsents({ store }: Dispatcher): Promise<ConsentFault[]> {
  const credentials = new Map((await store.people.credentials()).map((credential) => [credential.id, credential]));
  const consents = await store.people.consents();
  const faults: ConsentFault[] = [];
  for (const consent of consents) {
    const message = await faultOf(consent, credentials.get(consent.credentialId));
    if (message !== null) faults.push({ taskId: consent.taskId, message });
  }
  return [...faults, ...(await unproven(store, consents))];
}

const eventsAtOnce = 500;

/** Acknowledgements that call themselves a passkey's and have no consent to show. */
async function unproven({ ledger }: Dispatcher['store'], consents: Consent[]): Promise<ConsentFault[]> {
  const given = new Set(consents.map(({ taskId, binding }) => `${taskId} ${binding}`));
  const faults: ConsentFault[] = [];
  for (let after = 0; ; ) {
    const events = await ledger.changes(after, eventsAtOnce);
    for (const { type, assurance, taskId, data } of events) {
      if (type !== 'acknowledged' || assurance !== 'passkey' || taskId === null) continue;
      if (!given.has(`${taskId} ${String(data.binding)}`))
        faults.push({ taskId, message: `Task ${taskId} was acknowledged as with a passkey, and no consent is kept.` });
    }
    if (events.length < eventsAtOnce) return faults;
    after = events.at(-1)?.seq ?? after;
  }
}

async function faultOf(consent: Consent, credential: Credential | undefined): Promise<string | null> {
  const of = `The consent of ${consent.owner} to task ${consent.taskId}`;
  if (credential === undefined) return `${of} names a passkey that is gone.`;
  if (credential.owner !== consent.owner) return `${of} was given with a passkey of ${credential.owner}.`;
  if (consent.covered.task !== consent.taskId) return `${of} covers another task.`;
  try {
    const party = { rpId: credential.rpId, origin: consent.origin };
    // The counter has gone on since; here only the signature and what it covers count.
    await verifyAssertion(party, challengeOf(consent.covered), { ...credential, counter: 0 }, consent.assertion);
    return null;
  } catch (error) {
    return `${of} is not proven by its assertion: ${publicError(error).error}`;
  }
}

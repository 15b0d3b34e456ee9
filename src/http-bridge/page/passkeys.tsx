// Passkeys on the page: which there are, letting one in, and the options that the browser asks the authenticator with.
import type { Hono } from 'hono';
import { parseJsonStrict } from '../../directives/json.js';
import { DispatcherError } from '../../errors.js';
import type { Credential } from '../../queue/store.js';
import type { JsonObject } from '../../tasks/outcome.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { beginApproval, beginEnrolment, finishEnrolment, type Touch } from '../../tools/passkeys.js';
import { requireTask } from '../../tools/views.js';
import { callOf, type PageContext, type PageEnv } from './env.js';
import type { Form } from './form.js';
import { originOf } from './guard.js';
import { Csrf, Frame, send } from './layout.js';
import { Ago, Empty } from './words.js';

/** The page's own name is what passkeys are bound to. */
export const partyOf = (context: PageContext) => ({
  rpId: new URL(context.env.dialed).hostname,
  origin: originOf(context),
});

/** An authenticator's answer in a form's field; undefined where the field is empty. */
export function answerIn(form: Form, field: string): JsonObject | undefined {
  const text = form.get(field) ?? '';
  if (text === '') return undefined;
  const answer = parseJsonStrict(text, field);
  if (answer !== null && typeof answer === 'object' && !Array.isArray(answer)) return answer;
  throw new DispatcherError('passkey_refused', 'The passkey was not accepted: this is no authenticator’s answer.');
}

/** The touch that came with a form, or null. */
export function touchIn(form: Form): Touch | null {
  const assertion = answerIn(form, 'assertion');
  return assertion === undefined ? null : { nonce: form.get('nonce') ?? '', assertion };
}

export function addPasskeys(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/passkeys', async (context) =>
    send(context, <PasskeysPage context={context} credentials={await dispatcher.store.people.credentials()} />),
  );

  app.post('/passkeys/options', async (context) =>
    context.json(await beginEnrolment(dispatcher, partyOf(context), callOf(context))),
  );

  app.post('/passkeys', async (context) => {
    const form = context.get('form');
    const assertion = answerIn(form, 'assertion');
    await finishEnrolment(dispatcher, {
      party: partyOf(context),
      registration: answerIn(form, 'registration') ?? {},
      touch: { nonce: form.get('nonce') ?? '', ...(assertion === undefined ? {} : { assertion }) },
      call: callOf(context),
    });
    return context.redirect('/ui/passkeys', 303);
  });

  app.post('/approvals/:id/options', async (context) => {
    const task = await requireTask(dispatcher, context.req.param('id'));
    return context.json(await beginApproval(dispatcher, task, partyOf(context), callOf(context)));
  });
}

/** The empty fields that the script fills, and what it says when it cannot. */
export const PasskeyFields = ({ optional = false }: { optional?: boolean }) => (
  <>
    <input type="hidden" name="nonce" value="" />
    <input type="hidden" name="assertion" value="" />
    <input type="hidden" name="registration" value="" />
    <p class="warn" role="alert" data-passkey-fault="" />
    {optional ? null : (
      <noscript>
        <p class="warn">A passkey needs JavaScript.</p>
      </noscript>
    )}
  </>
);

const PasskeysPage = ({ context, credentials }: { context: PageContext; credentials: Credential[] }) => (
  <Frame context={context} title="Passkeys">
    <h1>Passkeys</h1>
    <p>
      A directive with <code>ack: passkey</code> runs only after a touch that covers exactly this task, its directive,
      payload and script. Who lets a passkey in answers for it.
    </p>
    {credentials.length === 0 ? (
      <Empty>None is enrolled. The first one needs no other; every further one does.</Empty>
    ) : (
      <ul class="cards">
        {credentials.map((credential) => (
          <li class="card">
            <span class="card-head">
              <strong>{credential.owner}</strong>
              <code class="hash">{credential.id.slice(0, 16)}</code>
              <Ago at={credential.createdAt} />
            </span>
            <span class="card-body muted">
              <span>at {credential.rpId}</span>
              <span>
                {credential.vouchedBy === null
                  ? 'the first'
                  : `let in by ${ownerOf(credential.vouchedBy, credentials)}`}
              </span>
              {credential.usedAt === null ? (
                <span>never used</span>
              ) : (
                <span>
                  last used <Ago at={credential.usedAt} />
                </span>
              )}
            </span>
          </li>
        ))}
      </ul>
    )}
    <form method="post" action="/ui/passkeys" data-passkey="/ui/passkeys/options">
      <Csrf context={context} />
      <PasskeyFields />
      <button type="submit">Add a passkey for {context.get('viewer')?.caller.person ?? 'operator'}</button>
      {credentials.length === 0 ? null : (
        <p class="muted">You will be asked for an enrolled passkey first, then for the new one.</p>
      )}
    </form>
  </Frame>
);

const ownerOf = (id: string, credentials: Credential[]): string =>
  credentials.find((credential) => credential.id === id)?.owner ?? 'one that is gone';

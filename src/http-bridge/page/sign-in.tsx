// Signing in: by a one-use link from `doe open`, or with an operator key typed in. Looking at the link uses nothing up.
import type { Hono } from 'hono';
import { sha256Hex } from '../../acks/binding.js';
import { DispatcherError, httpStatus, publicError } from '../../errors.js';
import type { Caller } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { signInPurpose } from '../../tools/open-page.js';
import type { KeyRing } from '../auth.js';
import type { PageContext, PageEnv } from './env.js';
import { Frame, send } from './layout.js';
import type { Sessions } from './session.js';
import { createSlowDown } from './slow-down.js';
import { Refusal } from './words.js';

interface SignInParts {
  dispatcher: Dispatcher;
  keys: KeyRing;
  sessions: Sessions;
}

export function addSignIn(app: Hono<PageEnv>, { dispatcher, keys, sessions }: SignInParts): void {
  const { store, clock } = dispatcher;
  const slowDown = createSlowDown(clock);

  const byCode = async (code: string): Promise<Caller | null> => {
    const nonce = await store.people.consumeNonce(sha256Hex(code), signInPurpose);
    return nonce === null ? null : keys.operatorById(String(nonce.data.key_id));
  };

  const note = (type: string, caller: Caller | null, by: 'code' | 'key') =>
    store.ledger.record(
      { taskId: null, type, assurance: null, data: { by } },
      {
        actorId: caller?.person ?? (caller === null ? 'unknown' : 'operator'),
        principal: 'operator',
        channel: 'page',
        keyId: caller?.keyId ?? null,
      },
    );

  app.get('/sign-in', (context) =>
    context.get('viewer')?.csrf == null || context.req.query('code') !== undefined
      ? send(
          context,
          <SignInPage context={context} code={context.req.query('code')} to={goal(context.req.query('to'))} />,
        )
      : context.redirect(goal(context.req.query('to')), 303),
  );

  app.post('/sign-in', async (context) => {
    const form = context.get('form');
    const code = form.get('code');
    const to = goal(form.get('to'));
    try {
      // A code cannot be guessed, so a right one never waits: a stranger's failures must not lock the owner out.
      if (code === undefined) slowDown.assertMayTry();
      const caller = code === undefined ? keys.operator(form.get('key')?.trim() ?? '') : await byCode(code);
      if (caller?.keyId == null) {
        // One in a while is noted: whoever tries codes without end must not fill the audit trail.
        const noted = slowDown.mayTry();
        slowDown.failed();
        if (noted) await note('sign_in_refused', null, code === undefined ? 'key' : 'code');
        throw refused(code !== undefined);
      }
      slowDown.succeeded();
      await sessions.begin(context, caller.keyId);
      await note('signed_in', caller, code === undefined ? 'key' : 'code');
      return context.redirect(to, 303);
    } catch (error) {
      if (!(error instanceof DispatcherError)) throw error;
      const status = httpStatus(error.code) as 401;
      if (error.details?.retry_after !== undefined) context.header('Retry-After', String(error.details.retry_after));
      return send(context, <SignInPage context={context} to={to} error={error} />, status);
    }
  });

  app.post('/sign-out', async (context) => {
    await sessions.end(context);
    return context.redirect('/ui/sign-in', 303);
  });
}

const refused = (withCode: boolean): DispatcherError =>
  withCode
    ? new DispatcherError('unauthorized', 'This link has been used, or is older than a minute.', {
        hint: 'Get a new one with `doe open`.',
      })
    : new DispatcherError('unauthorized', 'This is no operator key of this home.', {
        hint: 'Operator keys stand under MCP_API_KEY in the home’s .env. Agent keys cannot sign in.',
      });

/** Only a path of the page itself: a sign-in must not lead elsewhere. */
const goal = (to: string | undefined): string => (to !== undefined && /^\/ui(\/[\w./?=&%-]*)?$/.test(to) ? to : '/ui');

interface SignInPageProps {
  context: PageContext;
  to: string;
  code?: string | undefined;
  error?: DispatcherError;
}

const SignInPage = ({ context, to, code, error }: SignInPageProps) => (
  <Frame context={context} title="Sign in">
    <div class="narrow">
      <h1>Sign in</h1>
      {error === undefined ? null : <Refusal {...publicError(error)} />}
      {code === undefined ? (
        <>
          <p>
            Run <code>doe open</code> at a terminal for a link that signs you in, or type an operator key.
          </p>
          <form method="post" action="/ui/sign-in">
            <input type="hidden" name="to" value={to} />
            <label for="key">Operator key</label>
            <input id="key" name="key" type="password" autocomplete="current-password" required autofocus />
            <button type="submit">Sign in</button>
          </form>
        </>
      ) : (
        <form method="post" action="/ui/sign-in">
          <p>Your link is good for one sign-in, within a minute.</p>
          <input type="hidden" name="to" value={to} />
          <input type="hidden" name="code" value={code} />
          <button type="submit" autofocus>
            Sign in
          </button>
        </form>
      )}
    </div>
  </Frame>
);

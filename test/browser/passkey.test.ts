import type { CDPSession, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { acknowledge, createTask, verifyAudit } from '../../src/tools/index.js';
import { callers, helloHome, type TestApp } from '../helpers/test-app.js';
import { openPage, signIn, useBrowser, type Visit, visit } from './browser.js';

useBrowser();

const files = {
  ...helloHome,
  'directives/hello.md': '---\ntitle: Say hello\nack: passkey\n---\nHello.\n',
  'directives/four-eyes.md': '---\nscript: hello.sh\nquorum: 2\napprovers: [jo, tom]\n---\nHello twice.\n',
};

const tom = 'operator-key-of-tom-0123456789abcdefgh';
const settings = {
  MCP_API_KEY: `jo:operator-key-for-tests-0123456789abcdef,tom:${tom},eve:operator-key-of-eve-0123456789abcdefgh`,
};

interface Authenticator {
  cdp: CDPSession;
  id: string;
}

/** Chromium's own authenticator in software, which agrees to everything at once. */
async function plugIn(page: Page): Promise<Authenticator> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, id: authenticatorId };
}

async function enrol(page: Page, origin: string): Promise<void> {
  await page.goto(`${origin}/ui/passkeys`);
  const before = await page.locator('li.card').count();
  await page.getByRole('button', { name: /^Add a passkey/ }).click();
  await page.locator('li.card').nth(before).waitFor();
}

async function enrolled(): Promise<Visit & { authenticator: Authenticator }> {
  const seen = await visit({ files, settings, noWorker: true });
  const authenticator = await plugIn(seen.page);
  await enrol(seen.page, seen.origin);
  return { ...seen, authenticator };
}

const waiting = (app: TestApp, task_id: string, task_type = 'hello') =>
  app.call(createTask, { task_type, project_id: 'p1', actor_id: 'model', task_id }, callers.agent);

const statusOf = async (app: TestApp, id: string) => (await app.dispatcher.store.tasks.get(id))?.status;

/** What the authenticator answers for a task, not yet sent; `loosely` without asking for user verification. */
const touch = (page: Page, origin: string, taskId: string, loosely = false) =>
  page.evaluate(
    async ({ path, weaker }) => {
      const csrf = (document.querySelector('[name=csrf]') as HTMLInputElement).value;
      const answer = await fetch(`${path}/options`, {
        method: 'POST',
        headers: { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ csrf }),
      });
      const { nonce, request } = await answer.json();
      if (weaker) request.userVerification = 'discouraged';
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(request);
      const credential = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential;
      return { nonce: nonce as string, assertion: JSON.stringify(credential.toJSON()) };
    },
    { path: `${origin}/ui/approvals/${taskId}`, weaker: loosely },
  );

/** Sends an approval as the page's own form would; not from that page, which leads away by itself once the task is decided. */
const sendTouch = async (page: Page, taskId: string, fields: Record<string, string>) =>
  page.evaluate(
    async ({ path, given }) => {
      const csrf = (document.querySelector('[name=csrf]') as HTMLInputElement).value;
      const answer = await fetch(path, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ csrf, ...given }),
      });
      const shown = new DOMParser().parseFromString(await answer.text(), 'text/html');
      return { status: answer.status, url: answer.url, text: shown.querySelector('[role=alert]')?.textContent ?? '' };
    },
    { path: `/ui/approvals/${taskId}/approve`, given: fields },
  );

test('a task that wants a passkey is approved by a touch, which stands with the ack and can be checked again', async () => {
  const { app, page, origin } = await enrolled();
  const { binding } = await waiting(app, 'one');
  await page.goto(`${origin}/ui/approvals/one`);
  await page.getByText('A passkey of jo was enrolled').waitFor();
  await page.keyboard.press('a');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui/tasks/one');
  const [ack] = await app.dispatcher.store.people.acks('one');
  expect(ack).toMatchObject({ assurance: 'passkey', actorId: 'jo', channel: 'page' });
  const [consent] = await app.dispatcher.store.people.consents('one');
  expect(consent).toMatchObject({ owner: 'jo', binding });
  expect(await app.call(verifyAudit, {})).toMatchObject({ intact: true });
});

test('a touch does in place of typing, once the questions are answered', async () => {
  const { app, page, origin } = await enrolled();
  app.write({ 'directives/hello.md': '---\ntitle: Say hello\nquestions: ["Why?"]\n---\nHello.\n' });
  await waiting(app, 'one');
  await page.goto(`${origin}/ui/approvals/one`);
  const touchInstead = page.getByRole('button', { name: 'Approve with a passkey instead' });
  await touchInstead.click();
  expect(await statusOf(app, 'one')).toBe('awaiting_ack');
  await page.getByLabel('Why?').fill('Because');
  await touchInstead.click();
  await page.waitForURL('**/ui/tasks/one');
  const [ack] = await app.dispatcher.store.people.acks('one');
  expect(ack).toMatchObject({ assurance: 'passkey', actorId: 'jo', answers: ['Because'] });
});

test('an operator key alone, typed or over HTTP, does not do for a passkey', async () => {
  const { app, page, origin } = await enrolled();
  const { binding } = await waiting(app, 'one');
  await expect(app.call(acknowledge, { task_id: 'one', actor_id: 'jo', binding })).rejects.toMatchObject({
    code: 'not_allowed',
  });
  await page.goto(`${origin}/ui/approvals/one`);
  expect((await sendTouch(page, 'one', { binding, typed: 'one' })).status).toBe(403);
  expect(await statusOf(app, 'one')).toBe('awaiting_ack');
});

test('a touch counts once, for its own task, in its own session', async () => {
  const { app, page, origin } = await enrolled();
  const one = await waiting(app, 'one');
  const two = await waiting(app, 'two');
  const forOne = await touch(page, origin, 'one');
  expect((await sendTouch(page, 'two', { ...forOne, binding: two.binding })).text).toContain('passkey_refused');
  expect((await sendTouch(page, 'one', { ...forOne, binding: one.binding })).text).toContain('passkey_refused');
  const fresh = await touch(page, origin, 'one');
  expect((await sendTouch(page, 'one', { ...fresh, binding: one.binding })).status).toBe(200);
  expect(await statusOf(app, 'one')).toBe('queued');
  expect(await statusOf(app, 'two')).toBe('awaiting_ack');
  const forTwo = await touch(page, origin, 'two');
  const ofOne = JSON.parse(fresh.assertion);
  const mixed = { nonce: forTwo.nonce, assertion: JSON.stringify(ofOne), binding: two.binding };
  expect((await sendTouch(page, 'two', mixed)).text).toContain('passkey_refused');
  expect(await statusOf(app, 'two')).toBe('awaiting_ack');
  const refused = (await app.dispatcher.store.ledger.changes(0, 1000)).filter(({ type }) => type === 'passkey_refused');
  expect(refused.length).toBe(3);
});

test('content that changed after the challenge is not what was agreed to', async () => {
  const { app, page, origin } = await enrolled();
  await waiting(app, 'one');
  await page.goto(`${origin}/ui/approvals/one`);
  const given = await touch(page, origin, 'one');
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  const binding = (await app.dispatcher.store.tasks.get('one'))?.pins.binding ?? '';
  expect((await sendTouch(page, 'one', { ...given, binding })).text).toContain('changed_since_shown');
  expect(await statusOf(app, 'one')).toBe('awaiting_ack');
});

test('a counter that does not go up, a touch without verification, and another origin are refused', async () => {
  const { app, page, origin, authenticator } = await enrolled();
  const { binding } = await waiting(app, 'one');
  await page.goto(`${origin}/ui/approvals/one`);

  await authenticator.cdp.send('WebAuthn.setUserVerified', {
    authenticatorId: authenticator.id,
    isUserVerified: false,
  });
  const unverified = await touch(page, origin, 'one', true);
  expect((await sendTouch(page, 'one', { ...unverified, binding })).text).toContain('User verification required');
  await authenticator.cdp.send('WebAuthn.setUserVerified', { authenticatorId: authenticator.id, isUserVerified: true });

  const honest = await touch(page, origin, 'one');
  const response = JSON.parse(honest.assertion);
  const clientData = JSON.parse(Buffer.from(response.response.clientDataJSON, 'base64url').toString());
  const elsewhere = JSON.stringify({ ...clientData, origin: `${origin}0` });
  response.response.clientDataJSON = Buffer.from(elsewhere).toString('base64url');
  expect((await sendTouch(page, 'one', { ...honest, assertion: JSON.stringify(response), binding })).text).toContain(
    'Unexpected authentication response origin',
  );

  const [credential] = await app.dispatcher.store.people.credentials();
  await app.dispatcher.store.people.useCredential(credential?.id ?? '', 100_000);
  const late = await touch(page, origin, 'one');
  expect((await sendTouch(page, 'one', { ...late, binding })).text).toMatch(/counter/);
  expect(await statusOf(app, 'one')).toBe('awaiting_ack');
  const refused = (await app.dispatcher.store.ledger.changes(0, 1000)).filter(({ type }) => type === 'passkey_refused');
  expect(refused.map(({ taskId }) => taskId)).toEqual(['one', 'one', 'one']);
});

test('past the first one a passkey needs the touch of an enrolled one', async () => {
  const { app, page, origin } = await enrolled();
  const stranger = await openPage({}, /status of 4\d\d|NotAllowedError/);
  await signIn(stranger, app);
  await plugIn(stranger);
  await stranger.goto(`${origin}/ui/passkeys`);
  await stranger.getByRole('button', { name: /^Add a passkey/ }).click();
  await stranger.getByText('No passkey was touched.').waitFor();
  const registered = await stranger.evaluate(async () => {
    const csrf = (document.querySelector('[name=csrf]') as HTMLInputElement).value;
    const headers = { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' };
    const options = await (
      await fetch('/ui/passkeys/options', { method: 'POST', headers, body: new URLSearchParams({ csrf }) })
    ).json();
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.creation);
    const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential;
    const body = new URLSearchParams({ csrf, nonce: options.nonce, registration: JSON.stringify(made.toJSON()) });
    return (await fetch('/ui/passkeys', { method: 'POST', headers, body })).status;
  });
  expect(registered).toBe(403);
  expect(await app.dispatcher.store.people.credentials()).toHaveLength(1);
  await page.goto(`${origin}/ui/passkeys`);
  expect(await page.locator('li.card').count()).toBe(1);
});

test('four eyes: two owners must agree, and one owner twice is one', async () => {
  const { app, page, origin, authenticator } = await enrolled();
  // Jo lets tom's passkey in: the same browser holds both authenticators for once.
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Operator key').fill(tom);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui');
  await enrol(page, origin);
  const { credentials } = await authenticator.cdp.send('WebAuthn.getCredentials', {
    authenticatorId: authenticator.id,
  });
  expect(credentials).toHaveLength(2);
  const owners = await app.dispatcher.store.people.credentials();
  expect(owners.map(({ owner }) => owner)).toEqual(['jo', 'tom']);
  expect(owners[1]?.vouchedBy).toBe(owners[0]?.id);

  await waiting(app, 'both', 'four-eyes');
  const agreeAs = async (owner: string) => {
    const own = (await app.dispatcher.store.people.credentials()).find((credential) => credential.owner === owner);
    for (const { credentialId } of credentials) {
      const id = Buffer.from(credentialId, 'base64').toString('base64url');
      if (id !== own?.id)
        await authenticator.cdp.send('WebAuthn.removeCredential', { authenticatorId: authenticator.id, credentialId });
    }
    const given = await touch(page, origin, 'both');
    for (const credential of credentials) {
      const id = Buffer.from(credential.credentialId, 'base64').toString('base64url');
      if (id !== own?.id)
        await authenticator.cdp.send('WebAuthn.addCredential', {
          authenticatorId: authenticator.id,
          credential: { ...credential, signCount: 1000 },
        });
    }
    const binding = (await app.dispatcher.store.tasks.get('both'))?.pins.binding ?? '';
    return sendTouch(page, 'both', { ...given, binding });
  };
  expect((await agreeAs('jo')).url).toBe(`${origin}/ui/approvals/both`);
  expect(await statusOf(app, 'both')).toBe('awaiting_ack');
  await agreeAs('jo');
  expect(await statusOf(app, 'both')).toBe('awaiting_ack');
  await page.goto(`${origin}/ui/approvals/both`);
  await page.getByText('jo agreed; 1 of 2 missing.').waitFor();
  await page.goto(`${origin}/ui/passkeys`);
  await agreeAs('tom');
  expect(await statusOf(app, 'both')).toBe('queued');
  expect(await app.call(verifyAudit, {})).toMatchObject({ intact: true });
});

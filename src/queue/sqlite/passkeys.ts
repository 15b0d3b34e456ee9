// Passkeys and the consents that they gave.
import type { JsonObject } from '../../tasks/outcome.js';
import type { Consent, Credential, PeopleStore } from '../store.js';
import type { Context } from './context.js';

type Half = Pick<PeopleStore, 'credentials' | 'addCredential' | 'useCredential' | 'consent' | 'consents'>;

interface CredentialRow {
  id: string;
  owner: string;
  rp_id: string;
  public_key: string;
  counter: number;
  transports: string;
  vouched_by: string | null;
  created_at: number;
  used_at: number | null;
}

interface ConsentRow {
  task_id: string;
  binding: string;
  credential_id: string;
  owner: string;
  covered: string;
  assertion: string;
  origin: string;
  at: number;
}

const toCredential = (row: CredentialRow): Credential => ({
  id: row.id,
  owner: row.owner,
  rpId: row.rp_id,
  publicKey: row.public_key,
  counter: row.counter,
  transports: JSON.parse(row.transports) as string[],
  vouchedBy: row.vouched_by,
  createdAt: row.created_at,
  usedAt: row.used_at,
});

const toConsent = (row: ConsentRow): Consent => ({
  taskId: row.task_id,
  binding: row.binding,
  credentialId: row.credential_id,
  owner: row.owner,
  covered: JSON.parse(row.covered) as JsonObject,
  assertion: JSON.parse(row.assertion) as JsonObject,
  origin: row.origin,
  at: row.at,
});

export function createPasskeyStore({ db, write, events }: Context): Half {
  const all = db.prepare<[], CredentialRow>('SELECT * FROM passkeys ORDER BY created_at, rowid');
  const count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM passkeys');
  const insert = db.prepare(
    `INSERT OR IGNORE INTO passkeys (id, owner, rp_id, public_key, counter, transports, vouched_by, created_at)
     VALUES (@id, @owner, @rpId, @publicKey, @counter, @transports, @vouchedBy, @at)`,
  );
  // An authenticator without a counter always says 0 (Web Authentication, section 6.1.1).
  const use = db.prepare(
    'UPDATE passkeys SET counter = @counter, used_at = @at WHERE id = @id AND (counter < @counter OR (counter = 0 AND @counter = 0))',
  );
  const addConsent = db.prepare(
    `INSERT INTO consents (task_id, binding, credential_id, owner, covered, assertion, origin, at)
     VALUES (@taskId, @binding, @credentialId, @owner, @covered, @assertion, @origin, @at)`,
  );
  const consents = db.prepare<[string], ConsentRow>('SELECT * FROM consents WHERE task_id = ? ORDER BY id');
  const everyConsent = db.prepare<[], ConsentRow>('SELECT * FROM consents ORDER BY id');

  return {
    credentials: async () => all.all().map(toCredential),
    addCredential: (credential, by) =>
      write(true, () => {
        if (credential.vouchedBy === null && (count.get()?.count ?? 0) > 0) return false;
        const at = events.time();
        const added = insert.run({ ...credential, transports: JSON.stringify(credential.transports), at }).changes > 0;
        const data = { credential_id: credential.id, owner: credential.owner, vouched_by: credential.vouchedBy };
        if (added) events.write({ taskId: null, type: 'passkey_added', assurance: 'passkey', data }, by);
        return added;
      }),
    useCredential: (id, counter) => write(true, () => use.run({ id, counter, at: events.time() }).changes > 0),
    consent: ({ answers, ...consent }, by) =>
      write(true, () => {
        const data = { binding: consent.binding, credential_id: consent.credentialId, owner: consent.owner, answers };
        const at = events.write({ taskId: consent.taskId, type: 'consented', assurance: 'passkey', data }, by);
        addConsent.run({
          ...consent,
          covered: JSON.stringify(consent.covered),
          assertion: JSON.stringify(consent.assertion),
          at,
        });
        return consents.all(consent.taskId).map(toConsent);
      }),
    consents: async (taskId) => (taskId === undefined ? everyConsent.all() : consents.all(taskId)).map(toConsent),
  };
}

// Acks, trust and one-use nonces.
import type { JsonObject } from '../../tasks/outcome.js';
import type { PeopleStore, TrustItem, TrustKind } from '../store.js';
import type { Context } from './context.js';
import { createPasskeyStore } from './passkeys.js';
import { type AckRow, toAck } from './rows.js';

interface TrustRow {
  kind: TrustKind;
  name: string;
  sha256: string;
  script_sha256: string | null;
}

const toTrustItem = (row: TrustRow): TrustItem => ({
  kind: row.kind,
  id: row.name,
  sha256: row.sha256,
  scriptSha256: row.script_sha256,
});

export function createPeopleStore(context: Context): PeopleStore {
  const { db, write, events } = context;
  const ack = db.prepare<[string], AckRow>('SELECT * FROM acks WHERE id = ?');
  const acks = db.prepare<[string], AckRow>('SELECT * FROM acks WHERE task_id = ? ORDER BY issued_at, rowid');
  const lastApprovalBy = db.prepare<{ keyId: string; directiveId: string }, { directiveSha256: string; at: number }>(
    `SELECT directive_sha256 AS directiveSha256, issued_at AS at FROM acks WHERE key_id = @keyId AND directive_id = @directiveId
     UNION ALL
     SELECT json_extract(c.covered, '$.directive'), c.at FROM consents c JOIN tasks t ON t.id = c.task_id AND c.at >= t.created_at
      WHERE json_extract(c.covered, '$.key_id') = @keyId AND t.directive_id = @directiveId
     ORDER BY at DESC LIMIT 1`,
  );
  const trusted = db.prepare(
    'SELECT 1 FROM trust WHERE kind = @kind AND name = @id AND sha256 = @sha256 AND script_sha256 IS @scriptSha256',
  );
  const lastTrusted = db.prepare<[string, string], TrustRow>(
    'SELECT * FROM trust WHERE kind = ? AND name = ? ORDER BY id DESC LIMIT 1',
  );
  const trust = db.prepare(
    'INSERT INTO trust (kind, name, sha256, script_sha256, actor_id, at) VALUES (@kind, @id, @sha256, @scriptSha256, @actorId, @at)',
  );
  const mint = db.prepare('INSERT INTO nonces (id, purpose, data, expires_at) VALUES (?, ?, ?, ?)');
  const forget = db.prepare('DELETE FROM nonces WHERE expires_at <= ?');
  const look = db.prepare<[string, string, number], { data: string; expires_at: number }>(
    'SELECT data, expires_at FROM nonces WHERE id = ? AND purpose = ? AND expires_at > ?',
  );
  const consume = db.prepare<[string, string], { data: string; expires_at: number }>(
    'DELETE FROM nonces WHERE id = ? AND purpose = ? RETURNING data, expires_at',
  );

  return {
    ...createPasskeyStore(context),
    async ack(ackId) {
      const row = ack.get(ackId);
      return row === undefined ? null : toAck(row);
    },
    acks: async (taskId) => acks.all(taskId).map(toAck),
    lastApprovalBy: async (keyId, directiveId) => lastApprovalBy.get({ keyId, directiveId }) ?? null,
    isTrusted: async (item) => trusted.get(item) !== undefined,
    async lastTrusted(kind, id) {
      const row = lastTrusted.get(kind, id);
      return row === undefined ? null : toTrustItem(row);
    },
    trust: (items, by) =>
      write(true, () => {
        for (const item of items) {
          if (trusted.get(item) !== undefined) continue;
          const data = { kind: item.kind, id: item.id, sha256: item.sha256, script_sha256: item.scriptSha256 };
          const at = events.write({ taskId: null, type: 'trusted', data }, by);
          trust.run({ ...item, actorId: by.actorId, at });
        }
      }),
    mintNonce: ({ id, purpose, data, expiresAt }) =>
      write(true, () => {
        forget.run(events.time());
        mint.run(id, purpose, JSON.stringify(data), expiresAt);
      }),
    async nonce(id, purpose) {
      const row = look.get(id, purpose, events.time());
      return row === undefined
        ? null
        : { id, purpose, data: JSON.parse(row.data) as JsonObject, expiresAt: row.expires_at };
    },
    consumeNonce: (id, purpose) =>
      write(true, () => {
        const row = consume.get(id, purpose);
        if (row === undefined || row.expires_at <= events.time()) return null;
        return { id, purpose, data: JSON.parse(row.data) as JsonObject, expiresAt: row.expires_at };
      }),
  };
}

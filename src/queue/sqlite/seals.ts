// The heads of the chains, sealed into a chain of their own from time to time: what was cut off a chain's end, or rewritten
// to its end, shows against the seal.
import type { Database } from 'better-sqlite3';
import { canonicalSha256 } from '../../acks/binding.js';
import type { ChainHead, Seal } from '../store.js';

export interface SealRow {
  seq: number;
  up_to: number;
  heads: string;
  at: number;
  hash: string;
}

/** How many events one seal covers at most, so that sealing never holds the write lock for long. */
const eventsPerSeal = 5000;

export const sealHash = ({ seq, up_to, heads, at }: Omit<SealRow, 'hash'>, previous: string): string =>
  canonicalSha256({ seq, up_to, heads, at, previous });

export const toSeal = (row: SealRow): Seal => ({
  seq: row.seq,
  upTo: row.up_to,
  heads: JSON.parse(row.heads) as ChainHead[],
  at: row.at,
  hash: row.hash,
});

export interface Sealer {
  /** Whether events wait for a seal. Changes nothing. */
  due(): boolean;
  find(hash: string): Seal | null;
  /** Inside a write transaction: seals the next events; undefined where all are sealed. */
  seal(at: number): Seal | undefined;
}

export function createSealer(db: Database): Sealer {
  const last = db.prepare<[], SealRow>('SELECT * FROM seals ORDER BY seq DESC LIMIT 1');
  const lastPlace = db.prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'seals'").pluck();
  const byHash = db.prepare<[string], SealRow>('SELECT * FROM seals WHERE hash = ?');
  const newestEvent = db.prepare<[number], number | null>('SELECT max(seq) FROM events WHERE seq <= ?').pluck();
  // With max() alone among the columns, SQLite takes the others from the row that holds the maximum.
  const grown = db.prepare<[number, number], ChainHead>(
    'SELECT task_id AS taskId, max(seq) AS seq, hash FROM events WHERE seq > ? AND seq <= ? GROUP BY task_id ORDER BY seq',
  );
  const insert = db.prepare(
    'INSERT INTO seals (seq, up_to, heads, at, hash) VALUES (@seq, @up_to, @heads, @at, @hash)',
  );
  const open = () => {
    const sealed = last.get()?.up_to ?? 0;
    return { sealed, upTo: newestEvent.get(sealed + eventsPerSeal) ?? sealed };
  };

  return {
    due() {
      const { sealed, upTo } = open();
      return upTo > sealed;
    },
    find(hash) {
      const row = byHash.get(hash);
      return row === undefined ? null : toSeal(row);
    },
    seal(at) {
      const { sealed, upTo } = open();
      if (upTo <= sealed) return undefined;
      const facts = {
        seq: (lastPlace.get() ?? 0) + 1,
        up_to: upTo,
        heads: JSON.stringify(grown.all(sealed, upTo)),
        at,
      };
      const row = { ...facts, hash: sealHash(facts, last.get()?.hash ?? '') };
      insert.run(row);
      return toSeal(row);
    },
  };
}

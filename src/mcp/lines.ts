// The lines that stay open for 2025-era clients, whatever carries them: each is its key's alone, idle ones end, and
// whoever opens many pushes out its own.
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Caller } from '../tasks/task.js';
import type { Connection } from './connection.js';

const most = 100;
const idleMs = 30 * 60_000;

export interface Line {
  readonly id: string;
  readonly connection: Connection;
  /** By the monotonic clock, when its client last said something. */
  usedAt: number;
  /** Requests that are being answered, streams included. */
  busy: number;
  /** Ends it and takes it out of the list. */
  close(): Promise<void>;
}

export interface Lines<L extends Line> {
  /** Counts as use. Null where there is none, where it was idle too long, and for any key but its own: an id must not tell that it exists. */
  find(id: string, caller: Caller): Promise<L | null>;
  /** Makes room first: of the key that holds most the one that was idle longest, and one whose person is being asked last of all. */
  add(line: L): Promise<void>;
  remove(line: L): void;
  /** Closes a line that nobody waits for: what goes wrong then is in the log, and ends nothing else. */
  end(line: L): Promise<void>;
  close(): Promise<void>;
}

/** @param visit is called for each line from time to time, ten times before an idle one ends */
export function createLines<L extends Line>(
  { clock: { monotonic }, log }: { clock: Pick<Clock, 'monotonic'>; log: Log },
  visit: (line: L) => void = () => {},
): Lines<L> {
  const lines = new Map<string, L>();
  const isOver = ({ usedAt, busy }: L) => busy === 0 && monotonic() - usedAt > idleMs;

  const end = (line: L) => line.close().catch((error: unknown) => log.warn('mcp.line_close_failed', { error }));

  const endIdle = async () => {
    for (const line of [...lines.values()].filter(isOver)) await end(line);
  };

  const sweep = setInterval(() => {
    void endIdle();
    for (const line of lines.values()) visit(line);
  }, idleMs / 10).unref();

  const dispensable = (): L | undefined => {
    const all = [...lines.values()];
    const heldBy = new Map<string | null, number>();
    for (const line of all) heldBy.set(keyOf(line), (heldBy.get(keyOf(line)) ?? 0) + 1);
    const rank = (line: L) => [
      Number(line.connection.openForms.size > 0),
      -(heldBy.get(keyOf(line)) ?? 0),
      line.busy,
      line.usedAt,
    ];
    return all.map((line) => ({ line, rank: rank(line) })).sort((one, other) => compare(one.rank, other.rank))[0]?.line;
  };

  return {
    async find(id, caller) {
      const line = lines.get(id);
      if (line === undefined || keyOf(line) !== caller.keyId) return null;
      if (isOver(line)) {
        await end(line);
        return null;
      }
      line.usedAt = monotonic();
      // Set anew, so that of two lines that were used at one moment the earlier stands first.
      lines.delete(id);
      lines.set(id, line);
      return line;
    },
    async add(line) {
      await endIdle();
      const tooMany = lines.size >= most ? dispensable() : undefined;
      if (tooMany !== undefined) await end(tooMany);
      lines.set(line.id, line);
    },
    remove: (line) => void lines.delete(line.id),
    end,
    async close() {
      clearInterval(sweep);
      for (const line of [...lines.values()]) await end(line);
    },
  };
}

const keyOf = ({ connection }: Line): string | null => connection.caller.keyId;

const compare = (one: number[], other: number[]): number => {
  const differing = one.findIndex((value, index) => value !== other[index]);
  return differing === -1 ? 0 : (one[differing] ?? 0) - (other[differing] ?? 0);
};

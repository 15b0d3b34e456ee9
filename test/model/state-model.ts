// What must happen to a task, in the fewest words: the state table with attempts, acks and pins. Kept apart from the program's own.
import type { TaskStatus } from '../../src/tasks/states.js';

export type Kind = 'plain' | 'lasting' | 'again' | 'free';
const traits = {
  plain: { max: 2, anneals: true, again: false, free: false },
  lasting: { max: 1, anneals: false, again: false, free: false },
  again: { max: 2, anneals: true, again: true, free: false },
  free: { max: 2, anneals: true, again: false, free: true },
};

export interface World {
  now: number;
  /** Of the script that `plain` runs. */
  version: number;
}

export class TaskModel {
  status: TaskStatus;
  attempts = 0;
  cancelAsked = false;
  private version: number;
  private ackedAt = 0;
  private startedAt: number | null = null;
  private interrupted = false;
  private readonly traits: (typeof traits)[Kind];

  constructor(
    readonly id: string,
    readonly kind: Kind,
    private readonly world: World,
  ) {
    this.traits = traits[kind];
    this.version = this.current;
    this.status = this.traits.free ? 'queued' : 'awaiting_ack';
  }

  private get current(): number {
    return this.kind === 'plain' ? this.world.version : 0;
  }

  /** Each answers the code of the refusal, or null. */
  acknowledge(mayAct: boolean): string | null {
    if (this.status !== 'awaiting_ack') return 'wrong_state';
    if (this.version !== this.current) {
      this.version = this.current;
      return 'changed_since_shown';
    }
    if (!mayAct) return 'not_allowed';
    Object.assign(this, { status: 'queued', ackedAt: this.world.now, startedAt: null });
    return null;
  }

  reject(mayAct: boolean): string | null {
    return mayAct ? this.move(['awaiting_ack'], 'cancelled') : 'not_allowed';
  }

  cancel(): string | null {
    if (this.status !== 'running') return this.move(['awaiting_ack', 'queued'], 'cancelled');
    this.cancelAsked = true;
    return null;
  }

  retry(): string | null {
    return this.move(['failed', 'cancelled'], 'awaiting_ack') ?? this.anew();
  }

  recordFailure(): string | null {
    this.interrupted = this.status === 'needs_anneal' && this.interrupted;
    return this.move(['awaiting_ack', 'queued', 'failed', 'succeeded'], 'needs_anneal');
  }

  annealComplete(note: boolean): string | null {
    if (this.status !== 'needs_anneal') return 'wrong_state';
    if (!note && !this.interrupted && this.version === this.current) return 'nothing_changed';
    this.status = this.traits.free ? 'queued' : 'awaiting_ack';
    return this.anew();
  }

  dismiss(): string | null {
    return this.move(['needs_anneal'], 'failed');
  }

  /** It awaited its acknowledgement for more than a week. */
  goesStale(): void {
    this.move(['awaiting_ack'], 'cancelled');
  }

  /** A worker takes the queued task; true where its script starts. */
  start(): boolean {
    const age = this.world.now - (this.startedAt ?? this.ackedAt);
    const covered = this.traits.free || age < (this.startedAt === null ? 15 : 60) * 60_000;
    if (!covered || this.version !== this.current) {
      this.status = 'awaiting_ack';
      this.version = this.current;
      return false;
    }
    Object.assign(this, { status: 'running', cancelAsked: false, startedAt: this.startedAt ?? this.world.now });
    this.attempts += 1;
    return true;
  }

  end(outcome: 'succeeded' | 'failed' | 'interrupted'): void {
    this.interrupted = outcome === 'interrupted';
    const repeats = outcome === 'failed' || this.traits.again || this.traits.free;
    if (outcome === 'succeeded') this.status = 'succeeded';
    else if (this.cancelAsked) this.status = 'cancelled';
    else if (repeats && this.attempts < this.traits.max) this.status = 'queued';
    else this.status = this.traits.anneals || !repeats ? 'needs_anneal' : 'failed';
  }

  private move(from: TaskStatus[], to: TaskStatus): string | null {
    if (!from.includes(this.status)) return 'wrong_state';
    this.status = to;
    return null;
  }

  private anew(): null {
    Object.assign(this, {
      attempts: 0,
      version: this.current,
      startedAt: null,
      ackedAt: this.world.now,
      interrupted: false,
    });
    return null;
  }
}

// The short commands that move one task, or let no run start: each is one call, its answer in a line.
import type { cancelTask, pause, retryTask } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { tellMoved } from './follow.js';
import { actorOf, type CommonOptions, settingsOf } from './home.js';
import { say } from './output.js';

export interface MoveOptions extends CommonOptions {
  actor?: string;
  reason?: string;
}

async function move(taskId: string, verb: 'cancel' | 'retry', { actor, reason, ...options }: MoveOptions) {
  const config = await settingsOf(options);
  const bridge = await connectBridge(config);
  const { status } = await bridge.post<typeof cancelTask | typeof retryTask>(
    `/tasks/${encodeURIComponent(taskId)}/${verb}`,
    { actor_id: actor ?? actorOf(config), ...(reason === undefined ? {} : { reason }) },
  );
  tellMoved(taskId, status);
}

export const cancel = (taskId: string, options: MoveOptions): Promise<void> => move(taskId, 'cancel', options);
export const retry = (taskId: string, options: MoveOptions): Promise<void> => move(taskId, 'retry', options);

async function setPaused(verb: 'pause' | 'resume', options: CommonOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const { paused } = await bridge.post<typeof pause>(`/${verb}`);
  say(paused ? 'Paused: no run starts on this home until `doe resume`; what runs goes on.' : 'Runs may start again.');
}

export const pauseHome = (options: CommonOptions): Promise<void> => setPaused('pause', options);
export const resumeHome = (options: CommonOptions): Promise<void> => setPaused('resume', options);

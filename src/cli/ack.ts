// `doe ack`: a person's decision over one task, at the terminal.
import type { acknowledge } from '../tools/index.js';
import { acknowledgeAtTerminal } from './acknowledge.js';
import { connectBridge } from './bridge.js';
import { tellMoved } from './follow.js';
import { actorOf, type CommonOptions, settingsOf } from './home.js';
import { say } from './output.js';
import { followToEnd } from './start-task.js';

export interface AckOptions extends CommonOptions {
  actor?: string;
  reject?: boolean;
  reason?: string;
  follow?: boolean;
}

export async function run(taskId: string, options: AckOptions): Promise<number> {
  const config = await settingsOf(options);
  const bridge = await connectBridge(config);
  const actorId = options.actor ?? actorOf(config);
  if (options.reject === true) {
    const { status } = await bridge.post<typeof acknowledge>('/mcp/acknowledge', {
      task_id: taskId,
      actor_id: actorId,
      decision: 'reject',
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    });
    tellMoved(taskId, status);
    return 0;
  }
  await acknowledgeAtTerminal(bridge, taskId, actorId);
  if (options.follow === true) return followToEnd(bridge, taskId);
  say(`\`doe logs ${taskId} -f\` follows it.`);
  return 0;
}

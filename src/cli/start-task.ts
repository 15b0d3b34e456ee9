// `doe start-task`: makes a task, has it acknowledged by the person at the terminal, and follows it to its end.
import type { createTask } from '../tools/index.js';
import { acknowledgeAtTerminal } from './acknowledge.js';
import { type Bridge, connectBridge } from './bridge.js';
import { personTypes } from './environment.js';
import { follow, tellEnd } from './follow.js';
import { type CommonOptions, settingsOf } from './home.js';
import { say } from './output.js';

export async function run(
  taskType: string,
  projectId: string,
  taskId: string,
  actorId: string,
  payloadJson: string | undefined,
  options: CommonOptions,
): Promise<number> {
  const bridge = await connectBridge(await settingsOf(options));
  const created = await bridge.post<typeof createTask>('/tasks', {
    task_type: taskType,
    project_id: projectId,
    task_id: taskId,
    actor_id: actorId,
    ...(payloadJson === undefined ? {} : { payload_json: payloadJson }),
  });
  if (created.status === 'awaiting_ack') {
    if (!personTypes()) say(`Task ${taskId} was made and awaits its acknowledgement.`);
    await acknowledgeAtTerminal(bridge, taskId, actorId);
  }
  return followToEnd(bridge, taskId);
}

/** @returns the exit code: 1 where the task did not succeed */
export async function followToEnd(bridge: Bridge, taskId: string): Promise<number> {
  const task = await follow(bridge, taskId);
  tellEnd(task);
  return task.status === 'succeeded' ? 0 : 1;
}

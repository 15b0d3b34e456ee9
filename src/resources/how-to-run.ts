// The calls that carry out a directive, in the words that both its prompt and its skill use.

export interface Runnable {
  taskType: string;
  /** Null where any JSON object will do. */
  payloadSchema: unknown;
  /** Undefined where nobody said yet which. */
  projectId?: string | undefined;
}

export function howToRun({ taskType, payloadSchema, projectId }: Runnable): string {
  const project = projectId ?? '<ask which project>';
  const schema = payloadSchema === null ? 'any JSON object' : JSON.stringify(payloadSchema);
  return [
    `Carry out this directive for project ${project}. Its payload is ${schema}. Ask the person for what you do not know; invent nothing.`,
    `1. create_task {"task_type": "${taskType}", "project_id": "${project}", "actor_id": "<your name>", "payload_json": {…}}`,
    '2. Show the person what will run, then acknowledge {"task_id": "…", "actor_id": "<your name>"}; the person decides.',
    '3. task_status {"task_id": "…", "wait_seconds": 45} until it is finished, then tell the result.',
  ].join('\n');
}

// The form in which a person acknowledges: what it shows, and how its answer is read. It shows the whole or nothing.
import type { ElicitRequestFormParams } from '@modelcontextprotocol/server';
import { visiblePayload } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { checkPins } from '../tools/pinning.js';
import { requireTask } from '../tools/views.js';
import { visibleLine } from './untrusted.js';

/** What hosts show in few lines; a longer text would be cut or scrolled past unread. */
const longestMessage = 1_500;

export interface AckForm {
  message: string;
  requestedSchema: ElicitRequestFormParams['requestedSchema'];
  binding: string;
  questions: string[];
}

/** Null where the form could not show everything: then the page does. */
export async function ackForm(dispatcher: Dispatcher, taskId: string): Promise<AckForm | null> {
  const task = await requireTask(dispatcher, taskId);
  const check = await checkPins(dispatcher, task);
  if (!check.ok) return null;
  const { frontMatter, sha256 } = check.pinned.directive;
  const { script } = check.pinned;
  const granted = [...check.policy.secrets, ...check.policy.integrations];
  // Each is one line whatever its parts hold: a second one could pass for a line of ours.
  const message = [
    `${frontMatter.title} for ${task.projectId}, asked for by ${task.actorId}`,
    `Directive ${frontMatter.id} version ${frontMatter.version} (${sha256.slice(0, 12)})`,
    `Runs execution/${script.name} (${task.pins.scriptSha256.slice(0, 12)})${granted.length === 0 ? '' : ` with ${granted.join(', ')}`}`,
    `Payload ${JSON.stringify(visiblePayload(task))}`,
    `Read the directive first. To let it run, type the task's id: ${task.id}`,
  ]
    .map(visibleLine)
    .join('\n');
  const { questions } = frontMatter;
  if (message.length > longestMessage || questions.some((question) => question.length > 300)) return null;
  return { message, requestedSchema: fields(questions), binding: task.pins.binding, questions };
}

// No field has a default: a host that fills a form in by itself must come out without a typed id.
const fields = (questions: string[]): AckForm['requestedSchema'] => ({
  type: 'object',
  properties: {
    task_id: { type: 'string', title: "The task's id", description: 'Typed by you, as it stands in the message' },
    decision: {
      type: 'string',
      title: 'Decision',
      enum: ['approve', 'reject'],
      description: 'Left out: approve. reject cancels the task; closing this form leaves it waiting',
    },
    ...Object.fromEntries(
      questions.map((question, index) => [
        `answer_${index + 1}`,
        { type: 'string' as const, title: `Question ${index + 1}`, description: visibleLine(question) },
      ]),
    ),
    reason: { type: 'string', title: 'Reason', description: 'Where you reject: told to the agent' },
  },
  required: ['task_id', ...questions.map((_, index) => `answer_${index + 1}`)],
});

/** What an accepted form says; `why` says what keeps it from being an answer. */
export type FormAnswer =
  | { decision: 'approve'; answers: string[] }
  | { decision: 'reject'; reason: string | undefined }
  | { decision: null; why: string };

/** The typed id is the yes, as the form says; one that a host accepted by itself has none in it. */
export function readAnswer(content: unknown, taskId: string, { questions }: Pick<AckForm, 'questions'>): FormAnswer {
  const given = (content ?? {}) as Record<string, unknown>;
  const text = (name: string): string => (typeof given[name] === 'string' ? (given[name] as string).trim() : '');
  if (text('task_id') !== taskId)
    return { decision: null, why: "The form came back without the task's id typed into it, which is no yes." };
  if (given.decision === 'reject') return { decision: 'reject', reason: text('reason').slice(0, 2000) || undefined };
  if (given.decision !== undefined && given.decision !== 'approve')
    return { decision: null, why: 'The form came back with a decision that is neither approve nor reject.' };
  return { decision: 'approve', answers: questions.map((_, index) => text(`answer_${index + 1}`)) };
}

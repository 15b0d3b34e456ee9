// Asks a person for the ACK of what was just shown, and sends exactly the binding of that.
import { DispatcherError } from '../errors.js';
import type { acknowledge, reviewTask } from '../tools/index.js';
import { ask, assertTerminal, LeftOpen, tell } from './ask.js';
import type { Bridge } from './bridge.js';
import { personTypes } from './environment.js';
import { note, say } from './output.js';
import { type Review, showReview } from './review.js';
import { quoted, styled, visible } from './text.js';

/**
 * Shows, asks, and sends, until the acknowledgement holds. What changed in between is shown and asked for again. Where no person
 * types, it is shown on stdout and not asked.
 * @throws LeftOpen; DispatcherError `no_terminal`, `not_allowed`, `wrong_state`
 */
export async function acknowledgeAtTerminal(bridge: Bridge, taskId: string, actorId: string): Promise<void> {
  for (;;) {
    const review = await bridge.get<typeof reviewTask>(`/tasks/${encodeURIComponent(taskId)}/review`);
    assertWaiting(review);
    showReview(review, personTypes() ? tell : say);
    assertAskable(review);
    const answers = await askPerson(review);
    try {
      const { expires_at } = await bridge.post<typeof acknowledge>('/mcp/acknowledge', {
        task_id: taskId,
        actor_id: actorId,
        binding: review.binding,
        ...(answers.length === 0 ? {} : { answers_json: answers }),
      });
      say(`Acknowledged by ${actorId}, until ${expires_at}.`);
      return;
    } catch (error) {
      if (!(error instanceof DispatcherError) || error.code !== 'changed_since_shown') throw error;
      tell(styled('yellow', `\n${visible(error.message)} Look again.\n`));
    }
  }
}

function assertWaiting({ task }: Review): void {
  if (task.status === 'awaiting_ack') return;
  throw new DispatcherError('wrong_state', `Task ${task.task_id} is ${task.status}; it awaits no acknowledgement.`, {
    hint: `\`doe status ${task.task_id}\` says more.`,
  });
}

function assertAskable({ task, directive, approve_url }: Review): void {
  if (directive.ack === 'passkey') {
    throw new DispatcherError('not_allowed', 'This directive wants a passkey, which a terminal cannot ask for.', {
      hint: `Decide on the page: ${approve_url}`,
    });
  }
  assertTerminal(
    'An acknowledgement',
    `Task ${task.task_id} waits. Run \`doe ack ${task.task_id}\` at a terminal, or decide on the page: ${approve_url}`,
  );
}

/** The directive's questions, then the word itself. @returns the answers */
async function askPerson({ task, directive }: Review): Promise<string[]> {
  try {
    const answers = await askQuestions(directive.questions);
    await ask('Type ACK to let it run, Ctrl-C to leave it waiting: ', (word) => {
      if (word === 'ACK') return true;
      tell('Only the word ACK lets it run.');
      return null;
    });
    return answers;
  } catch (error) {
    if (error instanceof LeftOpen) note(`Task ${task.task_id} waits on: \`doe ack ${task.task_id}\``);
    throw error;
  }
}

async function askQuestions(questions: string[]): Promise<string[]> {
  const answers: string[] = [];
  for (const question of questions) {
    tell(quoted(question));
    answers.push(
      await ask('Your answer: ', (answer) => {
        if (answer !== '') return answer;
        tell('It needs an answer.');
        return null;
      }),
    );
  }
  return answers;
}

// What a person is shown before an ACK: all that it would cover. Text of others stands under a margin, with nothing in it unseen.
import type { reviewTask } from '../tools/index.js';
import type { Answer } from './bridge.js';
import { bold, dim, quoted, statusText, styled, visibleLine } from './text.js';

export type Review = Answer<typeof reviewTask>;
type Say = (text: string) => void;

/** @param say where to, line by line */
export function showReview({ task, directive, script, fix_script, ...review }: Review, say: Say): void {
  say(`${bold(`Task ${task.task_id}`)}  ${statusText(task.status)}`);
  say(
    `  ${visibleLine(task.task_type)} for ${visibleLine(task.project_id)}, asked for by ${visibleLine(task.actor_id)}`,
  );
  if (review.changed !== null) say(styled('yellow', `  ${visibleLine(review.changed)} Below is what is there now.`));

  say(`\n${bold(`Directive ${visibleLine(directive.id)}`)}  version ${directive.version}, ${dim(directive.sha256)}`);
  say(quoted(directive.content));
  say(`\n${bold('Payload')}`);
  say(quoted(JSON.stringify(task.payload, null, 2)));
  say(`\n${bold(`Script execution/${visibleLine(script.name)}`)}  with all that it can load ${dim(script.sha256)}`);
  say(quoted(script.text));
  if (fix_script !== null) {
    say(`\n${bold(`Fix script execution/${visibleLine(fix_script.name)}`)}  run once after the last failed attempt`);
    say(quoted(fix_script.text));
  }
  showChanges(review, say);
  // Once more what it comes to: the head of all this has scrolled away.
  say(`\n${bold(`Task ${task.task_id}`)}  ${visibleLine(task.task_type)} for ${visibleLine(task.project_id)}`);
  say(`  It runs execution/${visibleLine(script.name)} with ${visibleLine(brief(JSON.stringify(task.payload)))}`);
  if (review.secrets.length > 0) say(`  It is given the settings ${visibleLine(review.secrets.join(', '))}.`);
  if (review.integrations.length > 0) say(`  It may call ${visibleLine(review.integrations.join(', '))}.`);
  if (review.withheld.length > 0)
    say(`  Not in force until you trust the directive: ${visibleLine(review.withheld.join('; '))}.`);
  say(`  Binding ${review.binding}`);
}

const brief = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 200)}… (whole above)`);

const since = { failed_run: 'this task failed', last_success: 'the directive last succeeded' } as const;

const compared = { failed_run: 'Directive, script and payload', last_success: 'Directive and script' } as const;

function showChanges({ compared_with, diff }: Pick<Review, 'compared_with' | 'diff'>, say: Say): void {
  if (compared_with === null) say('\n  This directive has never succeeded here.');
  else if (diff === '') say(`\n  ${compared[compared_with]} are as they were when ${since[compared_with]}.`);
  else say(`\n${bold(`Changed since ${since[compared_with]}`)}\n${quoted(diff)}`);
}

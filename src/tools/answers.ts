// The answers to a directive's questions, as they come with an ack.
import { DispatcherError } from '../errors.js';
import type { JsonValue } from '../tasks/outcome.js';

/**
 * @param given a list, or its JSON text, in the order of the questions
 * @throws DispatcherError `invalid_input`, naming the first question without an answer
 */
export function parseAnswers(given: string | JsonValue[] | undefined, questions: string[]): JsonValue[] {
  const answers = typeof given === 'string' ? parseList(given) : (given ?? []);
  if (!Array.isArray(answers)) throw invalid('answers_json must be a JSON list.', questions);
  if (answers.length > questions.length)
    throw invalid(`answers_json has ${answers.length} answers to ${questions.length} questions.`, questions);
  const open = questions.findIndex((_, index) => isBlank(answers[index]));
  if (open !== -1) throw invalid(`answers_json does not answer question ${open + 1}: ${questions[open]}`, questions);
  return answers;
}

function parseList(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    throw new DispatcherError('invalid_input', 'answers_json is no JSON text.', {
      hint: 'Give a JSON list, such as ["yes"].',
    });
  }
}

const isBlank = (answer: JsonValue | undefined): boolean =>
  answer === undefined || answer === null || (typeof answer === 'string' && answer.trim() === '');

const invalid = (message: string, questions: string[]): DispatcherError =>
  new DispatcherError('invalid_input', message, {
    hint: questions.length === 0 ? 'This directive asks no questions.' : 'Answer each of them, in their order.',
    details: { questions },
  });

import { expect, test } from 'vitest';
import { actorIdSchema, projectIdSchema, taskIdSchema } from '../../src/tasks/task.js';

test.each(['a\u202eb', 'a\u2066b', 'a\u200bb', 'a\u{e0041}', 'a\nb', 'a\u001b[2J', 'a\u2028b', 'a\ufeffb'])(
  'the name %j, which hides or turns text, is refused',
  (name) => {
    for (const schema of [projectIdSchema, actorIdSchema, taskIdSchema])
      expect(schema.safeParse(name).success).toBe(false);
  },
);

test.each(['acme', 'Bäckerei Müller', 'می\u200cخواهم', '株式会社', '👩\u200d💻'])('the name %j is one', (name) => {
  for (const schema of [projectIdSchema, actorIdSchema]) expect(schema.safeParse(name).success).toBe(true);
});

test.each(['../x', '..', 'a/b', '.a', '-a', 'а', 'a'.repeat(129), ''])('%j is no task id', (id) => {
  expect(taskIdSchema.safeParse(id).success).toBe(false);
});

import { existsSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { makeWithPython } from '../execution/bridge.js';
import { createJobApp, runJob } from '../helpers/worker-home.js';

const script = `import json, os, sys
import helper
own = os.path.join(sys.pycache_prefix, os.path.dirname(os.path.realpath(__file__)).lstrip('/'))
kept = sorted(os.listdir(own)) if os.path.isdir(own) else []
json.dump({"prefix": sys.pycache_prefix, "kept": kept, "word": helper.WORD}, open(os.environ["DOE_RESULT_FILE"], "w"))
`;
const files = {
  'directives/job.md': '---\ntitle: T\n---\n',
  'execution/job.py': script,
  'execution/helper.py': 'WORD = "one"\n',
};

interface Seen {
  prefix: string;
  kept: string[];
  word: string;
}

test('a script’s second run finds the bytecode of its first; it is gone when the worker stops', async () => {
  const app = await createJobApp('', { files });
  const first = (await runJob(app)).result as unknown as Seen;
  const second = (await runJob(app)).result as unknown as Seen;
  expect(second.prefix).toBe(first.prefix);
  expect(second.kept).toEqual([expect.stringMatching(/^helper\..*\.pyc$/)]);
  expect(statSync(dirname(second.prefix)).mode & 0o077).toBe(0);
  await app.stop();
  expect(existsSync(dirname(second.prefix))).toBe(false);
});

test('a changed helper is compiled anew, also where its size and time are the same', async () => {
  const app = await createJobApp('', { files });
  const helper = join(app.home, 'execution/helper.py');
  const { atime, mtime } = statSync(helper);
  const first = (await runJob(app)).result as unknown as Seen;
  app.write({ 'execution/helper.py': 'WORD = "two"\n' });
  utimesSync(helper, atime, mtime);
  const second = (await runJob(app)).result as unknown as Seen;
  expect([first.word, second.word]).toEqual(['one', 'two']);
  expect(second.prefix).not.toBe(first.prefix);
});

test('bytecode that was planted beside a script is not loaded', async () => {
  const app = await createJobApp('', { files });
  // Compiled from another text, and marked as never to be compared with its source.
  makeWithPython(
    `import importlib.util, os, py_compile, sys
source = sys.argv[1]
text = open(source).read()
open(source, 'w').write('WORD = "planted"\\n')
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
py_compile.compile(source, importlib.util.cache_from_source(source), invalidation_mode=mode)
open(source, 'w').write(text)
assert os.listdir(os.path.join(os.path.dirname(source), '__pycache__'))`,
    join(app.home, 'execution/helper.py'),
  );
  expect((await runJob(app)).result).toMatchObject({ word: 'one' });
});

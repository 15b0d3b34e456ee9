// The Python behind a version manager's shim, which costs more to start than what the tests start with it.
import { execFileSync } from 'node:child_process';

let known: string | undefined;

export const python = (): string => {
  known ??= execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  return known;
};

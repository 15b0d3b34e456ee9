// The tests' folders in memory, where the system has room: they lay out a thousand homes, and each durable commit waits for
// its disk. Whoever sets TMPDIR has them there.
import { readFileSync, statfsSync } from 'node:fs';

const folder = '/dev/shm';
const neededBytes = 4 * 1024 ** 3;

export function setup(): void {
  if (process.platform !== 'linux' || process.env.TMPDIR !== undefined || !takesPrograms()) return;
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= neededBytes) process.env.TMPDIR = folder;
}

function takesPrograms(): boolean {
  const [, options = ''] = /^\S+ \/dev\/shm tmpfs (\S+)/m.exec(readFileSync('/proc/mounts', 'utf8')) ?? [];
  return options.startsWith('rw,') && !options.includes('noexec');
}

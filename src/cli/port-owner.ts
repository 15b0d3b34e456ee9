// Who listens on a port: asked politely at /health, else looked up in the kernel's tables, as far as this user may see them.
import { readdir, readFile, readlink } from 'node:fs/promises';

const healthTimeoutMs = 1000;

/** A few words for an error message. */
export async function whoListens(host: string, port: number): Promise<string> {
  const pid = await listeningPid(port);
  const process = pid === null ? '' : ` (process ${pid}: ${await commandOf(pid)})`;
  return (await isDispatcher(host, port)) ? `another doe${process}` : `another program${process}`;
}

async function isDispatcher(host: string, port: number): Promise<boolean> {
  const name = host === '0.0.0.0' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${name}:${port}/health`, {
      redirect: 'error',
      signal: AbortSignal.timeout(healthTimeoutMs),
    });
    return ((await response.json()) as { name?: unknown }).name === 'doe-dispatcher';
  } catch {
    return false;
  }
}

/** Linux: the socket's inode stands in /proc/net/tcp, its owner's open files name it. Null elsewhere and for others' processes. */
async function listeningPid(port: number): Promise<number | null> {
  const inodes = new Set((await Promise.all(['tcp', 'tcp6'].map((table) => listeningInodes(table, port)))).flat());
  if (inodes.size === 0) return null;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const links = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const fd of links) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
      if (inodes.has(target)) return Number(pid);
    }
  }
  return null;
}

const listenState = '0A';

async function listeningInodes(table: string, port: number): Promise<string[]> {
  const text = await readFile(`/proc/net/${table}`, 'utf8').catch(() => '');
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(wanted) === true && state === listenState)
    .map((fields) => `socket:[${fields[9]}]`);
}

async function commandOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'unknown');
  return text.trim();
}

// `npm run bench:mcp`: `doe mcp` against the least server on the same SDK, in one run and in turns: rate of a trivial call,
// start to the first tools/list, memory at rest. Both are bundled. `--short` is the size for everyday use. Exits with 1 when
// a wanted ratio is missed; only a machine that does nothing else gives a fair one.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleProgram } from '../scripts/bundle.mjs';
import { median } from './home.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** Short turns: what else the machine does meets both alike. The first quarter is for what is compiled as it runs. */
const callsInATurn = 300;
const turns = 100;

/** How long a server is left alone before its memory is read. */
const restMs = 3000;

/**
 * All that is measured takes turns on one core, where the machine can hold it there: which cores the ends of a line happen to
 * run on, and how fast one wakes the other, otherwise decides more of a call's time than either server does.
 */
function shareOneCore() {
  const [core] = /(?<=^Cpus_allowed_list:\s+)\d+/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const { status } = spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', core, `${process.pid}`]);
  if (status !== 0)
    console.log('taskset did not hold this on one core: the scheduler has a part in the rate of a call.');
}

/** Speaks to a server over stdio, line by line, without a client's own cost. */
async function start(args) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const waiting = new Map();
  createInterface(child.stdout).on('line', (line) => {
    const message = JSON.parse(line);
    waiting.get(message.id)?.(message);
  });
  let id = 0;
  const ask = (method, params = {}) =>
    new Promise((resolve, reject) => {
      const own = ++id;
      waiting.set(own, ({ result, error }) => {
        waiting.delete(own);
        if (error === undefined) resolve(result);
        else reject(new Error(JSON.stringify(error)));
      });
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: own, method, params })}\n`);
    });
  await ask('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  });
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  await ask('tools/list');
  return {
    startMs: performance.now() - begun,
    call: (name, args) => ask('tools/call', { name, arguments: args }),
    memory: () => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024,
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}

/** @returns one check for each wanted ratio */
async function mcp({ dist, rounds }) {
  const home = mkdtempSync(join(tmpdir(), 'doe-bench-'));
  for (const folder of ['directives', 'execution']) mkdirSync(join(home, folder));
  await bundleProgram(join(here, 'echo-server.mjs'), join(home, 'echo'));
  const servers = {
    echo: { args: [join(home, 'echo', 'echo-server.js')], call: ['echo', { text: 'hello' }] },
    // Answered from the input alone, like the echo.
    doe: { args: [join(dist, 'command', 'index.js'), 'mcp', '--home', home], call: ['validate_ack', {}] },
  };
  const seen = Object.fromEntries(Object.keys(servers).map((name) => [name, { rate: [], startMs: [], memory: 0 }]));
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [name, { args }] of Object.entries(servers)) {
        const server = await start(args);
        // The first start fills the disk's cache.
        if (round > 0) seen[name].startMs.push(server.startMs);
        await server.stop();
      }
    }
    const running = Object.fromEntries(
      await Promise.all(Object.entries(servers).map(async ([name, { args }]) => [name, await start(args)])),
    );
    await pause(restMs);
    for (const [name, server] of Object.entries(running)) seen[name].memory = server.memory();
    for (let turn = 0; turn < turns; turn++) {
      for (const [name, { call }] of Object.entries(servers)) {
        const begun = performance.now();
        for (let count = 0; count < callsInATurn; count++) await running[name].call(...call);
        if (turn >= turns / 4) seen[name].rate.push((callsInATurn * 1000) / (performance.now() - begun));
      }
    }
    for (const server of Object.values(running)) await server.stop();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  const { echo, doe } = seen;
  console.log(
    `echo: ${median(echo.rate).toFixed(0)} calls/s, start ${median(echo.startMs).toFixed(0)} ms, ${echo.memory.toFixed(0)} MB`,
  );
  console.log(
    `doe:  ${median(doe.rate).toFixed(0)} calls/s, start ${median(doe.startMs).toFixed(0)} ms, ${doe.memory.toFixed(0)} MB`,
  );
  const atLeast = (name, value, wanted) => ({ name, value, wanted: `>= ${wanted}`, ok: value >= wanted });
  const atMost = (name, value, wanted) => ({ name, value, wanted: `<= ${wanted}`, ok: value <= wanted });
  return [
    atLeast('a trivial MCP call, rate against the echo server', median(doe.rate) / median(echo.rate), 0.9),
    atMost('start to the first tools/list, against the echo server', median(doe.startMs) / median(echo.startMs), 1.25),
    atMost('memory at rest, against the echo server', doe.memory / echo.memory, 1.35),
  ];
}

shareOneCore();
const short = process.argv.includes('--short');
const dist = join(dirname(here), 'dist');
let missed = 0;
for (const { name, value, wanted, ok } of await mcp({ dist, rounds: short ? 5 : 15 })) {
  if (!ok) missed += 1;
  console.log(`${ok ? 'ok    ' : 'MISSED'} ${name}: ${value.toFixed(2)} (wanted ${wanted})`);
}
process.exit(missed === 0 ? 0 : 1);

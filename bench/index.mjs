// `npm run bench`: what the store costs above the statements that it runs. Only ratios within one run count: machines differ,
// and so do disks. `--short` is the size for everyday use. Exits with 1 when a wanted ratio is missed.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimWithFullQueue } from './claim.mjs';
import { lifecycle } from './lifecycle.mjs';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
if (!existsSync(join(dist, 'queue'))) {
  console.error('bench: there is no dist/. Run `npm run build` first.');
  process.exit(2);
}

const short = process.argv.includes('--short');
const checks = [
  ...(await lifecycle({ dist, rounds: short ? 5 : 15, tasks: short ? 100 : 400 })),
  ...(await claimWithFullQueue({ dist, queued: 100_000, claims: short ? 300 : 1000 })),
];

let missed = 0;
for (const { name, value, wanted, ok } of checks) {
  if (!ok) missed += 1;
  console.log(`${ok ? 'ok    ' : 'MISSED'} ${name}: ${value.toFixed(2)} (wanted ${wanted})`);
}
process.exit(missed === 0 ? 0 : 1);

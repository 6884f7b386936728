// Reads Playwright's JSON report and prints what came of it, a line for each fact: "passed N", "failed NAME: WHY",
// "unsteady NAME: WHY", "unrun N" (tests that never ran, because one before them failed: they have proven nothing).
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let passed = 0;
let unrun = 0;
const lines = [];

/** What the first failed try of a test said, and the line of the test that said it. */
function why(test) {
  const error = test.results.flatMap((result) => result.errors ?? []).at(0);
  const said = (error?.message ?? 'no reason given').replace(/\u001b\[[0-9;]*m/g, '').replace(/\s+/g, ' ').trim();
  const at = error?.location ? ` (${error.location.file.split('/').at(-1)}:${error.location.line})` : '';
  return `${said.slice(0, 400)}${at}`;
}

function visit(suite, path) {
  for (const spec of suite.specs ?? []) {
    for (const test of spec.tests) {
      const name = [test.projectName, ...path, spec.title].filter(Boolean).join(' › ');
      if (test.status === 'expected' || test.status === 'flaky') passed += 1;
      if (test.status === 'unexpected') lines.push(`failed browser: ${name}: ${why(test)}`);
      if (test.status === 'skipped') unrun += 1;
      if (test.status === 'flaky') lines.push(`unsteady browser: ${name}: ${why(test)}`);
    }
  }
  for (const inner of suite.suites ?? []) visit(inner, [...path, inner.title]);
}

for (const suite of report.suites ?? []) visit(suite, [suite.title]);
for (const error of report.errors ?? []) lines.push(`failed browser: ${(error.message ?? 'error').split('\n')[0]}`);
if (unrun > 0) lines.push(`unrun ${unrun}`);
console.log([`passed ${passed}`, ...lines].join('\n'));

// Reads Playwright's JSON report and prints what came of it, a line for each fact: "passed N", "failed NAME", "unsteady NAME".
import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let passed = 0;
const lines = [];

function visit(suite, path) {
  for (const spec of suite.specs ?? []) {
    for (const test of spec.tests) {
      const name = [test.projectName, ...path, spec.title].filter(Boolean).join(' › ');
      if (test.status === 'expected' || test.status === 'flaky') passed += 1;
      // A test that never ran, because one before it failed, has proven nothing.
      if (test.status === 'unexpected' || test.status === 'skipped') lines.push(`failed browser: ${name}`);
      if (test.status === 'flaky') lines.push(`unsteady browser: ${name}`);
    }
  }
  for (const inner of suite.suites ?? []) visit(inner, [...path, inner.title]);
}

for (const suite of report.suites ?? []) visit(suite, [suite.title]);
for (const error of report.errors ?? []) lines.push(`failed browser: ${(error.message ?? 'error').split('\n')[0]}`);
console.log([`passed ${passed}`, ...lines].join('\n'));

// Each page is tested twice: hydrated, and with JavaScript off.
import { defineConfig } from '@playwright/test';
import { baseURL, chromium, webServer } from './console';

/** What starts jobs or changes users: one after the other, when nobody reads lists of jobs any more. */
const ACTS = ['activity.spec.ts', 'archive.spec.ts', 'cancel.spec.ts', 'deployment.spec.ts', 'explain.spec.ts', 'hands.spec.ts', 'importcourse.spec.ts', 'names.spec.ts', 'plainimport.spec.ts', 'restore.spec.ts', 'roles.spec.ts', 'schedule.spec.ts'];
const COURSES = ['chain.spec.ts', 'import.spec.ts'];

export default defineConfig({
  testDir: 'tests',
  // A page is mostly waiting for: two browsers use both cores of a small machine.
  workers: 2,
  fullyParallel: false,
  forbidOnly: true,
  // A test that passes the second time is told as flaky. A course of steps on one database begins anew as a whole.
  retries: 1,
  // Bounds for a busy machine and an unoptimised console, not expectations.
  timeout: 240_000,
  expect: { timeout: 30_000 },
  reporter: [['line'], ['json', { outputFile: 'test-results/report.json' }]],
  use: { baseURL, ...chromium, trace: { mode: 'retain-on-failure', screenshots: false } },
  webServer: webServer('serve'),
  projects: [
    // The chain changes the database from empty to full; the pages after it have something to show.
    { name: 'chain', testMatch: 'chain.spec.ts' },
    { name: 'import', testMatch: 'import.spec.ts', dependencies: ['chain'] },
    // These read alone, so they may do so side by side.
    { name: 'hydrated', testIgnore: [...COURSES, ...ACTS, 'plain.spec.ts'], fullyParallel: true, dependencies: ['import'] },
    {
      name: 'without-javascript',
      testMatch: ['pages.spec.ts', 'plain.spec.ts'],
      fullyParallel: true,
      use: { javaScriptEnabled: false },
      dependencies: ['import'],
    },
    { name: 'acts', testMatch: ACTS, workers: 1, dependencies: ['hydrated', 'without-javascript'] },
  ],
});

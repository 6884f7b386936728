// Each page is tested twice: hydrated, and with JavaScript off.
import { defineConfig } from '@playwright/test';
import { baseURL, chromium, webServer } from './console';

export default defineConfig({
  testDir: 'tests',
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['line'], ['json', { outputFile: 'test-results/report.json' }]],
  use: { baseURL, ...chromium, trace: { mode: 'retain-on-failure', screenshots: false } },
  webServer: webServer('serve'),
  projects: [
    // The chain changes the database from empty to full; the pages after it have something to show.
    { name: 'chain', testMatch: 'chain.spec.ts' },
    { name: 'import', testMatch: 'import.spec.ts', dependencies: ['chain'] },
    {
      name: 'hydrated',
      testIgnore: ['chain.spec.ts', 'import.spec.ts', 'importcourse.spec.ts', 'plain.spec.ts'],
      dependencies: ['import'],
    },
    {
      name: 'without-javascript',
      testMatch: ['pages.spec.ts', 'plain.spec.ts'],
      use: { javaScriptEnabled: false },
      dependencies: ['import'],
    },
    { name: 'import-course', testMatch: 'importcourse.spec.ts', dependencies: ['hydrated', 'without-javascript'] },
  ],
});

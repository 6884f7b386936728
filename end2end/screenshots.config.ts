// Pictures of the pages with demonstration data, for the documentation: `npm run screenshots`, on demand.
import { defineConfig } from '@playwright/test';
import { baseURL, chromium, webServer } from './console';

export default defineConfig({
  testDir: 'screenshots',
  workers: 1,
  retries: 0,
  // Filling in a million rows and indexing them takes its time.
  timeout: 15 * 60_000,
  expect: { timeout: 5 * 60_000 },
  reporter: 'list',
  outputDir: 'test-results/screenshots',
  use: { baseURL, ...chromium, deviceScaleFactor: 1 },
  webServer: webServer('serve', '--demo'),
});

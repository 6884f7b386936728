// Each page is tested twice: hydrated, and with JavaScript off. The console under test runs on its own private
// PostgreSQL in a throw-away data folder; playwright starts it and stops it.
import { defineConfig } from '@playwright/test';
import { mkdtempSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const port = Number(process.env.E2E_PORT ?? 3939);
const profile = process.env.PROFILE ?? 'release';
const binary = process.env.PGSTEWARD_BIN ?? resolve(import.meta.dirname, `../target/${profile === 'dev' ? 'debug' : profile}/pgsteward`);

// Workers load this file again: they must find the folder of the first load.
process.env.E2E_DATA ??= mkdtempSync(join(tmpdir(), 'pgsteward-e2e-'));
chmodSync(process.env.E2E_DATA, 0o755);

export const baseURL = `http://127.0.0.1:${port}`;
export const admin = { name: 'admin', password: 'correct horse battery' };

const chromium = {
  browserName: 'chromium' as const,
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  },
};

export default defineConfig({
  testDir: 'tests',
  workers: 1,
  fullyParallel: false,
  forbidOnly: !!process.env.CI,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['line'], ['json', { outputFile: 'test-results/report.json' }]],
  use: { baseURL, ...chromium, trace: 'retain-on-failure' },
  webServer: {
    command: `"${binary}" serve`,
    url: `${baseURL}/readyz`,
    timeout: 60_000,
    reuseExistingServer: false,
    gracefulShutdown: { signal: 'SIGINT', timeout: 20_000 },
    stdout: 'ignore',
    stderr: 'pipe',
    env: {
      PATH: process.env.PATH ?? '',
      PGSTEWARD_ADDR: `127.0.0.1:${port}`,
      PGSTEWARD_DATA_DIR: join(process.env.E2E_DATA, 'data'),
      PGSTEWARD_ADMIN_PASSWORD: admin.password,
      LEPTOS_SITE_ROOT: process.env.LEPTOS_SITE_ROOT ?? resolve(import.meta.dirname, '../target/site'),
    },
  },
  projects: [
    // The chain changes the database from empty to full; the pages after it have something to show.
    { name: 'chain', testMatch: 'chain.spec.ts' },
    { name: 'hydrated', testMatch: /pages\.spec\.ts|hydrate\.spec\.ts/, dependencies: ['chain'] },
    { name: 'without-javascript', testMatch: 'pages.spec.ts', use: { javaScriptEnabled: false }, dependencies: ['chain'] },
  ],
});

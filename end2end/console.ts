// The console under test: the real binary on its own private PostgreSQL, in a throw-away folder.
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const profile = process.env.PROFILE ?? 'release';
const built = resolve(import.meta.dirname, `../target/${profile === 'dev' ? 'debug' : profile}/pgsteward`);
const port = Number(process.env.E2E_PORT ?? 3939);

// Workers load this file again: they must find the folder of the first load.
process.env.E2E_DATA ??= mkdtempSync(join(tmpdir(), 'pgsteward-e2e-'));
// A console that is started as root gives its data to another user, who must get there.
chmodSync(process.env.E2E_DATA, 0o755);

/** What a run leaves for its tests; gone after a run whose console ended well. */
export const folder = process.env.E2E_DATA;

/** The console's data folder. */
export const dataFolder = join(folder, 'data');

/** The folder whose SQLite files may be imported, with one in it. */
export const importFolder = join(folder, 'import');
if (!existsSync(importFolder)) {
  mkdirSync(importFolder);
  const sample = join(importFolder, 'chinook.sqlite');
  copyFileSync(resolve(import.meta.dirname, '../../shared/samples/chinook.sqlite'), sample);
  chmodSync(sample, 0o644);
}

export const baseURL = `http://127.0.0.1:${port}`;

export const admin = { name: 'admin', password: 'correct horse battery' };

/** The database that the private PostgreSQL brings, and its name in the console. */
export const target = 'ai_pal';

export const chromium = {
  browserName: 'chromium' as const,
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  },
};

/** Starts the console for a run, with these arguments, and ends it as Ctrl-C does. */
export function webServer(...given: string[]) {
  return {
    // The shell outlives the console by the moment it takes to remove the folder.
    command: `trap : INT; "$E2E_BINARY" ${given.join(' ')} && rm -rf "$E2E_DATA"`,
    url: `${baseURL}/readyz`,
    // Making a cluster takes its time on a busy machine.
    timeout: 240_000,
    reuseExistingServer: false,
    gracefulShutdown: { signal: 'SIGINT' as const, timeout: 60_000 },
    stdout: 'ignore' as const,
    stderr: 'pipe' as const,
    env: {
      // Whoever runs the tests may have settings of their own, for a database of their own.
      ...unset('DATABASE_URL', 'DATABASE_URL_FILE', 'DATABASE_REPLICA_URLS'),
      ...unset(...Object.keys(process.env).filter((name) => name.startsWith('PGSTEWARD_') || name.startsWith('DB_'))),
      E2E_BINARY: process.env.PGSTEWARD_BIN ?? built,
      PGSTEWARD_ADDR: `127.0.0.1:${port}`,
      PGSTEWARD_DATA_DIR: dataFolder,
      PGSTEWARD_IMPORT_DIR: importFolder,
      PGSTEWARD_ADMIN_PASSWORD: admin.password,
      LEPTOS_SITE_ROOT: process.env.LEPTOS_SITE_ROOT ?? resolve(import.meta.dirname, '../target/site'),
    },
  };
}

/** An empty variable is as good as none to the console. */
function unset(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, '']));
}

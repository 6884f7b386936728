// The managed database as its application sees it: psql on the private PostgreSQL of the console under test.
import { expect, type Page } from '@playwright/test';
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { dataFolder, target } from '../console';

/** A client program of PostgreSQL: that of PG_BIN, the newest that is packaged, or that of the path. */
function program(name: string): string {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [process.env.PG_BIN, ...versions.map((version) => join(packaged, version, 'bin'))];
  const found = folders.map((folder) => folder && join(folder, name)).find((path) => path && existsSync(path));
  return found ?? name;
}

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    PGHOST: '127.0.0.1',
    PGPORT: readFileSync(join(dataFolder, 'postgres.port'), 'utf8').trim(),
    PGUSER: 'postgres',
    PGPASSWORD: readFileSync(join(dataFolder, 'postgres.password'), 'utf8').trim(),
    PGDATABASE: target,
    PGAPPNAME: 'end2end',
  };
}

const OPTIONS = ['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--set=ON_ERROR_STOP=1'];

/** Runs statements, all or none, and gives what they print. */
export function execute(sql: string, database = target): string {
  const env = { ...environment(), PGDATABASE: database };
  return execFileSync(program('psql'), [...OPTIONS, '--single-transaction', '--file=-'], { env, input: sql, encoding: 'utf8' });
}

/** An archive of the managed database, as somebody else would make one. */
export function dump(file: string, ...options: string[]): void {
  execFileSync(program('pg_dump'), [`--file=${file}`, ...options], { env: environment() });
}

/** The console's own database. */
const STORE = 'pgsteward';

/** Waits until the console has no job going on. */
export async function idle(): Promise<void> {
  const active = () => execute(`select count(*) from jobs where state in ('queued', 'running', 'cancelling')`, STORE).trim();
  await expect.poll(active).toBe('0');
}

/** Does what starts a job on `page`, and waits until the page tells that this job, and no earlier one, has ended well. */
export async function runs(page: Page, start: () => Promise<void>): Promise<void> {
  const newest = () => execute('select id from jobs order by created_at desc limit 1', STORE).trim();
  const before = newest();
  await start();
  let id = before;
  await expect.poll(() => (id = newest())).not.toBe(before);
  const job = page.getByRole('region', { name: 'Job', exact: true }).filter({ has: page.locator(`a[href="/jobs/${id}"]`) });
  await expect(job).toContainText('succeeded', { timeout: 120_000 });
}

/** Ends what an attempt that failed left behind: the transactions of its holders, and the jobs that waited for them. */
export async function settle(): Promise<void> {
  execute(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'end2end' and pid <> pg_backend_pid()`);
  await idle();
}

/** Makes the database and its backups as they were before the first test; jobs, users and the audit trail stay. */
export async function beginAnew(): Promise<void> {
  await settle();
  execute('drop schema public cascade; create schema public');
  removeAll(join(dataFolder, 'backups', target));
}

/** Takes the imports and uploads of an attempt that failed off the lists. */
export async function forgetImports(): Promise<void> {
  await settle();
  execute('delete from imports', STORE);
  removeAll(join(dataFolder, 'uploads'));
}

function removeAll(folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) rmSync(join(folder, name), { recursive: true });
}

/** A transaction of somebody else that stays open, so that a job that needs its locks has to wait. */
export class Holder {
  private constructor(
    private readonly session: ChildProcessWithoutNullStreams,
    readonly pid: number,
  ) {}

  /** Begins it, and executes `statement` in it. */
  static async begin(statement: string): Promise<Holder> {
    const session = spawn(program('psql'), OPTIONS, { env: environment() });
    let complaints = '';
    session.stderr.on('data', (text) => (complaints += text));
    session.stdin.write(`begin;\n${statement};\nselect pg_backend_pid();\n`);
    const lines = createInterface(session.stdout);
    const pid = await Promise.race([
      once(lines, 'line').then(([line]) => Number(line)),
      once(session, 'exit').then(() => Promise.reject(new Error(`${statement}: ${complaints}`))),
    ]);
    return new Holder(session, pid);
  }

  /** Ends it as if it had never been. */
  async release(): Promise<void> {
    const ended = once(this.session, 'exit');
    this.session.stdin.end('rollback;\n');
    await ended;
  }
}

/** What an application would have written: enough rows that sizes, statistics and pages of the log are worth showing. */
export const ROWS = 20_000;
export const FORMULA = '=HYPERLINK("https://evil.example","look")';

export function fill(): void {
  execute(`
    insert into ari_snapshots (
             snapshot_id, user_id, timestamp, decision_quality, skill_development, ai_reliance, bottleneck_resolution,
             user_confidence, engagement, autonomy_perception, autonomy_retention, delta_agency)
      select md5(n::text), 'user-' || n % 200, timestamp '2026-01-01' + n * interval '1 minute', .5, .5, .5, .5, .5, .5, .5,
             (n % 1000) / 1000.0, .1
        from generate_series(1, ${ROWS}) as n;
    insert into audit_logs (user_id, timestamp, severity, event_type, component, action, result, ip_address)
      select 'user-' || n % 7, timestamp '2026-01-01' + n * interval '1 hour', (array['info', 'warning', 'error'])[n % 3 + 1],
             (array['login', 'export', 'goal_created'])[n % 3 + 1], 'api', 'request ' || n, 'success', '192.0.2.' || n
        from generate_series(1, 200) as n;
    insert into audit_logs (user_id, event_type, component, action)
         values ('user-1', '${FORMULA}', 'api', 'an attack');
  `);
}

/** The indexes that AI-PAL's migration guide names. */
export const INDEXES = [
  'idx_ari_user_id', 'idx_ari_timestamp', 'idx_ari_user_timestamp', 'idx_ari_score', 'idx_task_user_status',
  'idx_task_created', 'idx_task_celery_id', 'idx_task_status', 'idx_task_type', 'idx_goal_user_status',
  'idx_goal_deadline', 'idx_edm_user_unresolved', 'idx_edm_severity', 'idx_block_goal_id', 'idx_block_user_id',
  'idx_audit_user_timestamp', 'idx_audit_severity', 'idx_audit_event_type', 'idx_patch_component_status', 'idx_patch_status',
];

/** Whether `serve --demo` has put in all its rows. */
export function isFilled(): boolean {
  const migrated = execute(`select to_regclass('user_profiles') is not null`).trim() === 't';
  return migrated && execute(`select exists (select from user_profiles where preferences like '%"complete":true%')`).trim() === 't';
}

// The whole chain by click, from an empty database to a proven backup and its audit trail, with a second administrator
// who watches in a browser of their own. Somebody else's open transaction holds each job up on its way, so that both
// are sure to see it in its midst.
import type { BrowserContext, Locator, Page } from '@playwright/test';
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { admin, baseURL, target } from '../console';
import { beginAnew, fill, Holder, INDEXES, ROWS } from './database';
import { expect, Listener, open, takenOver, test as base } from './quiet';
import { ADMINISTRATOR, signIn } from './session';

const test = base.extend<object, { clicks: Page; watches: Page; both: Page[]; ears: Listener[] }>({
  ears: [async ({}, use) => use([new Listener(), new Listener()]), { scope: 'worker' }],
  clicks: [async ({ browser, ears }, use) => inBrowser(await browser.newContext({ baseURL }), ears[0], use), { scope: 'worker' }],
  watches: [async ({ browser, ears }, use) => inBrowser(await browser.newContext({ baseURL }), ears[1], use), { scope: 'worker' }],
  both: [async ({ clicks, watches }, use) => use([clicks, watches]), { scope: 'worker' }],
});

async function inBrowser(context: BrowserContext, ears: Listener, use: (page: Page) => Promise<void>): Promise<void> {
  await ears.listen(context);
  await use(await context.newPage());
  await context.close();
}

test.describe.configure({ mode: 'serial' });
test.beforeAll(async ({}, { retry }) => {
  if (retry > 0) await beginAnew();
});
test.afterEach(({ ears }) => ears.forEach((listener) => listener.check()));

/** The job that a page shows. */
const job = (page: Page): Locator => page.getByRole('region', { name: 'Job', exact: true });

/** So many; after an attempt that failed, whose entries stay, at least so many. */
async function hasCount(rows: Locator, count: number, retry: number): Promise<void> {
  if (retry === 0) await expect(rows).toHaveCount(count);
  else await expect(rows.nth(count - 1)).toBeVisible();
}

async function goTo(page: Page, area: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: area }).click();
  await expect(page.getByRole('heading', { level: 1, name: area })).toBeVisible();
}

test('two administrators log in, and see a database with pending migrations', async ({ clicks, watches, both }) => {
  await clicks.goto('/');
  await expect(clicks).toHaveURL('/login');
  await signIn(clicks, admin.name, admin.password);
  // With one database the log-in leads to its overview; the fleet is one click away.
  await expect(clicks).toHaveURL(`/db/${target}/`);
  await expect(clicks.getByRole('main')).toContainText('10 migrations are not yet applied.');
  await clicks.getByRole('link', { name: 'pgsteward', exact: true }).click();
  await expect(clicks).toHaveURL('/');
  const row = clicks.getByRole('row').filter({ has: clicks.getByRole('link', { name: target }) });
  await expect(row).toContainText('Up');
  await expect(row).toContainText('10 pending');

  await watches.goto(`/db/${target}/migrations`);
  await expect(watches).toHaveURL(`/login?next=%2Fdb%2F${target}%2Fmigrations`);
  await signIn(watches, admin.name, admin.password);
  await expect(watches).toHaveURL(`/db/${target}/migrations`);
  for (const page of both) await takenOver(page);
});

test('both watch each migration apply', async ({ clicks, watches, both }) => {
  await clicks.getByRole('link', { name: target, exact: true }).click();
  await expect(clicks.getByRole('heading', { level: 1, name: target })).toBeVisible();
  await expect(clicks.getByRole('main')).toContainText('10 migrations are not yet applied.');
  await clicks.getByRole('main').getByRole('link', { name: 'Migrate…' }).click();
  await clicks.getByRole('button', { name: 'Migrate…' }).click();
  const dialog = clicks.getByRole('dialog', { name: `Migrate ${target}?` });
  await expect(dialog.getByRole('listitem')).toHaveCount(10);
  await dialog.getByRole('listitem').filter({ hasText: '0008' }).getByText('Read the SQL').click();
  await expect(dialog.getByText('create table audit_logs')).toBeVisible();

  const held = await Holder.begin('create table background_tasks (id integer)');
  await dialog.getByRole('button', { name: 'Migrate', exact: true }).click();
  for (const page of both) {
    await expect(job(page).getByRole('heading', { name: 'Running' })).toBeVisible();
    await expect(job(page).locator('.step.done')).toHaveCount(6);
    await expect(job(page).locator('.step.running')).toContainText('7 (background tasks)');
    await expect(job(page).locator('.step.pending')).toHaveCount(3);
    await expect(job(page)).toContainText(`for a lock held by pid ${held.pid} (end2end`);
    await expect(page.getByRole('link', { name: '1 job running' })).toBeVisible();
  }
  await held.release();
  for (const page of both) {
    await expect(job(page).locator('.step.done')).toHaveCount(10);
    await expect(job(page)).toContainText('10 migrations applied');
    await expect(job(page)).toContainText('succeeded');
    await expect(page.getByText('Every migration is applied.')).toBeVisible();
    await expect(page.getByRole('region', { name: 'Migrations' }).getByText('Applied', { exact: true })).toHaveCount(11);
    await expect(page.getByRole('link', { name: 'No job running' })).toBeVisible();
  }
  await expect(watches.getByRole('button', { name: 'Migrate…' })).toBeHidden();
});

test('both watch constraints, indexes and statistics go by', async ({ clicks, watches, both }) => {
  fill();
  const reader = await Holder.begin('declare report cursor for table user_profiles');
  for (const page of both) await goTo(page, 'Optimize');
  const plan = clicks.getByRole('region', { name: 'Indexes' });
  for (const index of INDEXES) {
    await expect(plan.getByRole('row').filter({ hasText: index }).first()).toContainText('Missing');
  }
  await expect(clicks.getByRole('main')).toContainText('2 constraints and 20 indexes are missing');
  const blockers = clicks.getByRole('region', { name: 'Transactions that would hold up index builds' });
  // One that lasts less than a second is none.
  await expect(async () => {
    await open(clicks, clicks.url());
    await expect(blockers).toContainText(`pid ${reader.pid}: end2end, idle in transaction`, { timeout: 500 });
  }).toPass();
  await reader.release();
  await open(clicks, clicks.url());
  await expect(blockers).toHaveCount(0);

  const held = await Holder.begin('lock table patch_requests in row exclusive mode');
  await clicks.getByRole('button', { name: 'Optimize…' }).click();
  const dialog = clicks.getByRole('dialog', { name: `Optimize ${target}?` });
  await expect(dialog.getByRole('listitem')).toHaveCount(22);
  await dialog.getByRole('button', { name: 'Optimize', exact: true }).click();
  for (const page of both) {
    await expect(job(page).locator('.step.done')).toHaveCount(20);
    await expect(job(page).locator('.step.running')).toContainText('idx_patch_component_status');
    await expect(job(page)).toContainText(`for a lock held by pid ${held.pid} (end2end`);
  }
  await held.release();
  for (const page of both) {
    await expect(job(page)).toContainText('2 constraints and 20 indexes created');
    await expect(job(page).locator('.step').filter({ hasText: 'analyze public.ari_snapshots' })).toHaveClass(/done/);
    await expect(page.getByText('Every constraint and index is there and valid')).toBeVisible();
    for (const index of INDEXES) {
      const row = page.getByRole('region', { name: 'Indexes' }).getByRole('row').filter({ hasText: index }).first();
      await expect(row).toContainText('There');
    }
  }
  await expect(watches.getByRole('link', { name: 'No job running' })).toBeVisible();
});

test('sizes and rows are on Tables', async ({ clicks }) => {
  await goTo(clicks, 'Tables');
  const row = clicks.getByRole('row').filter({ has: clicks.getByRole('link', { name: 'ari_snapshots' }) });
  await expect(row).toContainText(`${ROWS / 1000}.0 k`);
  await expect(row).toContainText(/\d MB/);
  await row.getByRole('link').click();
  await expect(clicks.getByRole('heading', { level: 1, name: 'ari_snapshots' })).toBeVisible();
  await expect(clicks.getByRole('region', { name: 'Indexes' })).toContainText('idx_ari_user_timestamp');
});

test('both watch a backup, which is listed with its proof', async ({ clicks, both }) => {
  for (const page of both) await goTo(page, 'Backups');
  for (const page of both) await expect(page.getByText('No backup yet')).toBeVisible();
  const held = await Holder.begin('lock table audit_logs in access exclusive mode');
  await clicks.getByRole('button', { name: 'Back up', exact: true }).click();
  for (const page of both) {
    await expect(job(page)).toContainText(`for a lock held by pid ${held.pid} (end2end`);
    await expect(job(page).getByRole('button', { name: 'Cancel job…' })).toBeVisible();
  }
  await held.release();
  for (const page of both) {
    await expect(job(page)).toContainText('succeeded');
    const row = page.getByRole('region', { name: 'Stored backups' }).first().getByRole('row').nth(1);
    await expect(row).toContainText('Read back whole');
    await expect(row).toContainText(admin.name);
  }
});

test('the archive is downloaded as it was proven, and deleted only by its name', async ({ clicks, watches }) => {
  await clicks.getByRole('region', { name: 'Stored backups' }).first().getByText('Facts').click();
  const facts = clicks.getByRole('term').filter({ hasText: 'SHA-256' }).locator('+ dd');
  const proven = /[0-9a-f]{64}/.exec((await facts.textContent()) ?? '')?.[0];
  const acts = clicks.getByRole('button', { name: /^Actions for the backup of/ });
  await acts.click();
  const link = clicks.getByRole('link', { name: 'Download', exact: true });
  const href = (await link.getAttribute('href')) ?? '';
  const [download] = await Promise.all([clicks.waitForEvent('download'), link.click()]);
  const archive = readFileSync(await download.path());
  expect(download.suggestedFilename()).toMatch(/^ai_pal.*\.dump$/);
  expect(archive.subarray(0, 5).toString()).toBe('PGDMP');
  expect(createHash('sha256').update(archive).digest('hex')).toBe(proven);

  await acts.click();
  await clicks.getByRole('button', { name: /^Delete the backup of/ }).click();
  const dialog = clicks.getByRole('dialog', { name: /^Delete the backup of .*\?$/ });
  const act = dialog.getByRole('button', { name: 'Delete backup' });
  await expect(dialog).toContainText('It is the only good backup: afterwards nothing could be restored.');
  await expect(act).toBeDisabled();
  await dialog.getByRole('textbox').fill('ai-pal');
  await expect(act).toBeDisabled();
  await dialog.getByRole('textbox').press('Enter');
  await expect(dialog).toBeVisible();
  await dialog.getByRole('textbox').fill(target);
  await act.click();
  await expect(clicks.getByText('No backup yet')).toBeVisible();
  expect((await clicks.request.get(href)).status()).toBe(404);
  await open(watches, `/db/${target}/backups`);
  await expect(watches.getByText('No backup yet')).toBeVisible();
});

test('what one starts, the other sees without asking', async ({ clicks, watches, both }) => {
  // Whoever looks at the overview sees it, too.
  await clicks.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: 'Overview' }).click();
  await expect(clicks.getByRole('heading', { level: 1, name: target })).toBeVisible();
  await expect(clicks.getByText('No backup yet')).toBeVisible();
  await watches.getByRole('button', { name: 'Back up', exact: true }).click();
  await expect(clicks.getByRole('main')).toContainText('Read back whole');
  await goTo(clicks, 'Backups');
  for (const page of both) {
    // The head of the list, and the new one.
    const rows = page.getByRole('region', { name: 'Stored backups' }).first().getByRole('row');
    await expect(rows).toHaveCount(2);
    await expect(rows.nth(1)).toContainText('Read back whole');
    await expect(page.getByRole('link', { name: 'No job running' })).toBeVisible();
  }
});

test('each act is on Audit, by the filters of its URL', async ({ clicks }, { retry }) => {
  await goTo(clicks, 'Audit');
  for (const [type, named, count, words] of [
    ['session.log_in', 'Sign in', 2, 'Success'],
    ['migration.apply', 'Apply migrations', 1, 'Success'],
    ['optimize.run', 'Optimize', 1, '2 constraints and 20 indexes created'],
    ['backup.create', 'Back up', 2, 'read back whole'],
    ['backup.download', 'Download backup', 1, 'Success'],
    ['backup.delete', 'Delete backup', 1, 'Success'],
  ] as const) {
    // Chosen by its words, and at work at once. Nothing that was not chosen is in the URL.
    await clicks.getByLabel('Act', { exact: true }).selectOption({ label: named });
    await expect(clicks).toHaveURL(`/audit?type=${type}`);
    const rows = clicks.getByRole('region', { name: 'Entries' }).locator('tbody tr');
    await hasCount(rows, count, retry);
    for (const row of await rows.all()) await expect(row).toContainText(named);
    await expect(rows.filter({ hasText: words }).first()).toContainText(admin.name);
    await expect(rows.filter({ hasText: 'Started' })).toHaveCount(0);
  }
  await open(clicks, clicks.url());
  await expect(clicks.getByLabel('Act', { exact: true })).toHaveValue('backup.delete');
  await hasCount(clicks.getByRole('region', { name: 'Entries' }).locator('tbody tr'), 1, retry);
});

test('after logging out a page leads to the log-in, and only for who logged out', async ({ clicks, watches }, { retry }) => {
  await clicks.getByRole('button', { name: 'admin, administrator' }).click();
  await clicks.getByRole('button', { name: 'Sign out' }).click();
  await expect(clicks).toHaveURL('/login');
  await clicks.goto(`/db/${target}/backups`);
  await expect(clicks).toHaveURL(`/login?next=%2Fdb%2F${target}%2Fbackups`);
  await open(watches, '/audit?type=session.log_out');
  await hasCount(watches.getByRole('region', { name: 'Entries' }).locator('tbody tr'), 1, retry);
  await watches.context().storageState({ path: ADMINISTRATOR });
  chmodSync(ADMINISTRATOR, 0o600);
});

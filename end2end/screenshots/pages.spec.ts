import type { Page } from '@playwright/test';
import { mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { admin, target } from '../console';
import { Holder, isFilled } from '../tests/database';
import { expect, open, test } from '../tests/quiet';
import { signIn } from '../tests/session';

const FOLDER = resolve(import.meta.dirname, '../../docs/screenshots');
/** Pictures that a clone carries along must be small. */
const MOST_BYTES = 250_000;
const SIZES = { 1440: { width: 1440, height: 900 }, 390: { width: 390, height: 844 } };

type Theme = 'light' | 'dark';
type Width = keyof typeof SIZES;

async function take(page: Page, name: string, ...forms: [Theme, Width][]): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  for (const [theme, width] of forms) {
    await page.setViewportSize(SIZES[width]);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    // Notices of what was done just now are gone a few seconds later.
    await expect(page.locator('.toast')).toHaveCount(0);
    const path = join(FOLDER, `${name}-${theme}-${width}.png`);
    await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    expect(statSync(path).size, path).toBeLessThan(MOST_BYTES);
  }
}

test('the pages with demonstration data', async ({ page }) => {
  await page.setViewportSize(SIZES[1440]);
  await page.goto('/');
  await take(page, 'login', ['light', 1440]);
  await signIn(page, admin.name, admin.password);
  await expect.poll(isFilled, { intervals: [2000] }).toBe(true);

  await open(page, `/db/${target}/backups`);
  await page.getByRole('button', { name: 'Back up', exact: true }).click();
  await expect(page.getByText('Read back whole').first()).toBeVisible();
  await open(page, `/db/${target}/backups`);
  await page.getByText('Facts').click();
  await take(page, 'backups', ['light', 1440]);

  // A run in its midst, with what it waits for.
  const held = await Holder.begin('lock table patch_requests in row exclusive mode');
  await open(page, `/db/${target}/optimize`);
  await take(page, 'optimize', ['light', 1440]);
  await page.getByRole('button', { name: 'Optimize…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Optimize', exact: true }).click();
  await page.getByRole('link', { name: 'Job and log' }).click();
  await expect(page.getByText(`pid ${held.pid}`)).toBeVisible();
  await take(page, 'job', ['dark', 1440], ['light', 390]);
  await held.release();
  await expect(page.getByRole('region', { name: 'Progress' })).toContainText('succeeded');

  await open(page, `/db/${target}/`);
  await take(page, 'overview', ['light', 1440], ['dark', 1440], ['light', 390], ['dark', 390]);
  await open(page, `/db/${target}/tables`);
  await take(page, 'tables', ['light', 1440], ['dark', 390]);
  await open(page, `/db/${target}/migrations`);
  await take(page, 'migrations', ['light', 1440]);
  await open(page, `/db/${target}/import`);
  await page.getByRole('button', { name: 'Inspect chinook.sqlite' }).click();
  await page.getByLabel('Schema').fill('music');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  const start = page.getByRole('button', { name: /^Import 15,607 rows/ });
  await expect(start).toBeEnabled();
  await take(page, 'import-decide', ['light', 1440]);
  await start.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Import', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Proof' })).toContainText('Identical');
  await page.evaluate(() => window.scrollTo(0, 0));
  await take(page, 'import-proof', ['light', 1440], ['dark', 390]);
  await open(page, `/audit?source=target&target=${target}`);
  await take(page, 'audit', ['dark', 1440]);
});

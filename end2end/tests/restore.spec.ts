// A table is lost and comes back: back up, look at what a restore would find, restore, swap, go back, drop.
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { target } from '../console';
import { execute, runs, settle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });
test.beforeAll(settle);

const backups = `/db/${target}/backups`;
const beside = (page: Page): Locator => page.getByRole('region', { name: 'Databases beside the live one' });

async function axeFindsNothing(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

/** A choice of the acts on a backup, or on a database beside the live one. */
async function choose(row: Locator, choice: string, kind: 'button' | 'link' = 'button'): Promise<void> {
  await row.getByRole('button', { name: /^Actions for/ }).click();
  await row.getByRole(kind, { name: choice }).click();
}

test('a lost table is looked for, restored, swapped in, taken back and dropped', async ({ page, listener }) => {
  // A look at what a swap would find may be on its way while one ends all sessions.
  listener.expect(/status of 502.*preview_swap/);
  execute('drop table if exists lost; create table lost as select n from generate_series(1, 1000) n');
  await open(page, backups);
  const rows = page.getByRole('region', { name: 'Stored backups' }).locator('tbody tr');
  await expect(rows.first()).toBeVisible();
  const before = await rows.count();
  await runs(page, () => page.getByRole('button', { name: 'Back up', exact: true }).click());
  execute('drop table lost');

  // The list comes after the job's end.
  await expect(rows).toHaveCount(before + 1);
  const newest = rows.first();
  await choose(newest, 'Restore…', 'link');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Restore');
  const lost = page.getByRole('region', { name: 'Tables then and now' }).getByRole('row').filter({ hasText: 'public.lost' });
  await expect(lost).toContainText('Only in the backup');
  await expect(lost).toContainText('1,000');
  await expect(page.getByRole('region', { name: 'Checked' })).not.toContainText('Stops it');
  await axeFindsNothing(page);

  // The choices are in the URL, and checked.
  await page.getByLabel('Name', { exact: true }).fill(target);
  await page.getByRole('button', { name: 'Check again' }).click();
  await expect(page).toHaveURL(/into=ai_pal/);
  await expect(page.getByRole('main')).toContainText(/already/);
  await page.getByLabel('Name', { exact: true }).fill('found_again');
  await page.getByRole('button', { name: 'Check again' }).click();
  await expect(page).toHaveURL(/into=found_again/);
  await open(page, page.url());
  await runs(page, () => page.getByRole('button', { name: 'Restore', exact: true }).click());
  expect(execute('select count(*) from lost', 'found_again').trim()).toBe('1000');

  await page.getByRole('navigation', { name: 'Way back' }).getByRole('link', { name: 'Backups' }).click();
  const restored = beside(page).getByRole('row').filter({ hasText: 'found_again' });
  await expect(restored).toContainText('Restored');
  await choose(restored, 'Swap…');
  const swap = page.getByRole('dialog', { name: `Put found_again in the place of ${target}?` });
  await expect(swap).toContainText(`is kept as ${target}_before_20`);
  await axeFindsNothing(page);
  await expect(swap.getByRole('button', { name: 'Swap', exact: true })).toBeDisabled();
  await swap.getByRole('textbox').fill(target);
  await runs(page, () => swap.getByRole('button', { name: 'Swap', exact: true }).click());
  expect(execute('select count(*) from lost').trim()).toBe('1000');

  const kept = beside(page).getByRole('row').filter({ hasText: `${target}_before_20` });
  await expect(kept).toContainText('Was live');
  await choose(kept, 'Go back…');
  const back = page.getByRole('dialog', { name: new RegExp(`^Go back to ${target}_before_20`) });
  await runs(page, () => back.getByRole('button', { name: 'Go back', exact: true }).click());
  expect(execute(`select to_regclass('lost') is null`).trim()).toBe('t');

  // What was swapped in is kept now, and goes when its name is typed.
  const name = execute(`select datname from pg_database where datname like '${target}_before%'`).trim();
  await choose(beside(page).getByRole('row').filter({ hasText: name }), 'Drop…');
  const drop = page.getByRole('dialog', { name: `Drop ${name}?` });
  await drop.getByRole('textbox').fill(name);
  await runs(page, () => drop.getByRole('button', { name: 'Drop database' }).click());
  await expect(beside(page).getByRole('row').filter({ hasText: name })).toHaveCount(0);
  expect(execute(`select count(*) from pg_database where datname = '${name}'`).trim()).toBe('0');
  await axeFindsNothing(page);
});

test('a lost table is added to the live database itself, when its name is typed', async ({ page }) => {
  execute('drop table if exists lost_again; create table lost_again as select n from generate_series(1, 500) n');
  await open(page, backups);
  const rows = page.getByRole('region', { name: 'Stored backups' }).locator('tbody tr');
  await expect(rows.first()).toBeVisible();
  const before = await rows.count();
  await runs(page, () => page.getByRole('button', { name: 'Back up', exact: true }).click());
  execute('drop table lost_again');
  // The list comes after the job's end.
  await expect(rows).toHaveCount(before + 1);
  await choose(rows.first(), 'Restore…', 'link');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Restore');
  await page.getByLabel('Where').selectOption({ label: 'The live database itself: add what is missing' });
  await page.getByRole('button', { name: 'Check again' }).click();
  await expect(page).toHaveURL(/live=yes/);
  await expect(page.getByRole('heading', { name: 'Into the live database' })).toBeVisible();
  const checked = page.getByRole('region', { name: 'Checked' });
  await expect(checked).toContainText('a restore never writes over what is there');
  await expect(page.getByRole('button', { name: 'Restore…' })).toHaveAttribute('aria-disabled', 'true');
  await page.getByRole('checkbox', { name: 'Only public.lost_again' }).check();
  await page.getByRole('button', { name: 'Check again' }).click();
  await expect(page).toHaveURL(/only=public.lost_again/);
  await expect(checked).not.toContainText('Stops it');
  await open(page, page.url());
  await axeFindsNothing(page);
  await page.getByRole('button', { name: 'Restore…' }).click();
  const question = page.getByRole('dialog');
  const start = question.getByRole('button', { name: 'Restore', exact: true });
  await expect(start).toBeDisabled();
  await question.getByRole('textbox').fill(target);
  await runs(page, () => start.click());
  expect(execute('select count(*) from lost_again').trim()).toBe('500');
  execute('drop table lost_again');
});

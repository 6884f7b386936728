// An archive of pg_dump from elsewhere: uploaded in the browser, stored apart from the backups, restored into a new database.
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, target } from '../console';
import { dump, execute, runs, settle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });
test.beforeAll(settle);
test.afterAll(() => execute('drop schema if exists abroad cascade'));

const backups = `/db/${target}/backups`;
const card = (page: Page): Locator => page.getByRole('region', { name: 'Upload' });
const stored = (page: Page): Locator => page.getByRole('region', { name: 'Stored backups' });

async function axeFindsNothing(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

test('an archive from elsewhere is uploaded, listed as that, and restored', async ({ page, listener }, { retry }) => {
  // A first attempt may have left its database and its archive.
  const [into, file] = [`from_abroad_${retry}`, `abroad${retry}.dump`];
  listener.expect(/status of 422/, /Failed to load resource/);
  execute('drop schema if exists abroad cascade; create schema abroad; create table abroad.seen as select n from generate_series(1, 700) n');
  const path = join(folder, file);
  dump(path, '--format=custom', '--schema=abroad');
  await open(page, backups);
  await page.getByRole('button', { name: 'More' }).first().click();
  await page.getByRole('link', { name: 'Add an archive…' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Add an archive');

  const choose = card(page).getByLabel('Choose an archive');
  await choose.setInputFiles({ name: 'abroad.sql', mimeType: 'text/plain', buffer: Buffer.from('--\n-- PostgreSQL database dump\n--\n') });
  await card(page).getByRole('button', { name: 'Upload and check' }).click();
  await expect(card(page).getByRole('alert')).toContainText('SQL text of pg_dump, and no archive');
  // It is gone, so that another one can be chosen.
  await expect(card(page).getByRole('button', { name: 'Go on' })).toBeHidden();
  await choose.setInputFiles({ name: file, mimeType: 'application/octet-stream', buffer: readFileSync(path) });
  await axeFindsNothing(page);
  await card(page).getByRole('button', { name: 'Upload and check' }).click();
  await expect(page).toHaveURL(/\/jobs\//);
  await expect(page.getByRole('main')).toContainText(`It counts as no backup of ${target}.`, { timeout: 120_000 });

  await open(page, backups);
  const row = stored(page).getByRole('row').filter({ hasText: file });
  await expect(row).toContainText('Uploaded from elsewhere');
  await expect(row).toContainText('700');
  await axeFindsNothing(page);
  await row.getByRole('button', { name: /^Actions for the backup of/ }).click();
  await row.getByRole('link', { name: 'Restore…' }).click();
  await expect(page.getByRole('region', { name: 'Checked' })).toContainText('which is created for it and cannot log in');
  await expect(page.getByRole('main')).toContainText(`${file}, uploaded `);
  await page.getByLabel('Name', { exact: true }).fill(into);
  await page.getByRole('button', { name: 'Check again' }).click();
  await expect(page).toHaveURL(new RegExp(`into=${into}`));
  await open(page, page.url());
  await runs(page, () => page.getByRole('button', { name: 'Restore', exact: true }).click());
  expect(execute('select count(*) from abroad.seen', into).trim()).toBe('700');
  expect(execute(`select datdba::regrole from pg_database where datname = '${into}'`).trim()).toBe(`${into}_owner`);
  // What this test made goes again, so that those who come later find what they know.
  await open(page, backups);
  const beside = page.getByRole('region', { name: 'Databases beside the live one' }).getByRole('row').filter({ hasText: into });
  await beside.getByRole('button', { name: /^Actions for/ }).click();
  await beside.getByRole('button', { name: 'Drop…' }).click();
  await page.getByRole('dialog').getByRole('textbox').fill(into);
  await page.getByRole('dialog').getByRole('button', { name: 'Drop database' }).click();
  await expect(beside).toHaveCount(0, { timeout: 120_000 });
  await row.getByRole('button', { name: /^Actions for the backup of/ }).click();
  await row.getByRole('button', { name: /^Delete the backup of/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox').fill(target);
  await dialog.getByRole('button', { name: /^Delete/ }).click();
  await expect(row).toHaveCount(0);
});

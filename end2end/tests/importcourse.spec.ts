// What becomes of an import that is cancelled, followed, or decided by two. Comes last: its jobs would push those of the
// chain out of the short lists that other tests read.
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, importFolder, target } from '../console';
import { execute } from './database';
import { cancelInItsMidst, choose, copy, dropSchemas, holdUp, part, rehearse, start } from './imports';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.describe.configure({ mode: 'serial' });
test.use({ storageState: ADMINISTRATOR });

test.afterAll(() => dropSchemas('kept', 'followed', 'mine'));

test('what a cancelled import leaves goes on, or is discarded by name', async ({ page }) => {
  copy('kept.sqlite');
  await rehearse(page, 'kept.sqlite', 'kept');
  await choose(page, 'Cancelling leaves', 'what is loaded, to go on later');
  const held = await holdUp('kept');
  await start(page);
  await cancelInItsMidst(page);
  const left = part(page, 'Interrupted');
  await expect(left).toContainText(`What was loaded is kept in schema kept of ${target}`);
  await held.release();
  await left.getByRole('button', { name: 'Discard…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('are dropped with all their rows');
  const discard = dialog.getByRole('button', { name: 'Discard', exact: true });
  await expect(discard).toBeDisabled();
  await dialog.getByLabel("Type the database's name to confirm").fill(target);
  await discard.click();
  await expect(page).toHaveURL(/\/jobs\//);
  await expect(part(page, 'Progress')).toContainText('nothing of it is left');
  expect(execute(`select count(*) from pg_namespace where nspname = 'kept'`).trim()).toBe('0');

  await rehearse(page, 'kept.sqlite', 'kept');
  await choose(page, 'Cancelling leaves', 'what is loaded, to go on later');
  const again = await holdUp('kept');
  await start(page);
  await cancelInItsMidst(page);
  await expect(left).toBeVisible();
  await again.release();
  await left.getByRole('button', { name: 'Go on' }).click();
  await expect(part(page, 'Proof')).toContainText('Identical');
  expect(execute('select count(*) from kept."Track"').trim()).toBe('3503');
});

test('a file is followed until the last time', async ({ page }) => {
  const file = copy('followed.sqlite');
  await rehearse(page, 'followed.sqlite', 'followed');
  await part(page, 'Decide').getByLabel('Follow the file').check();
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await expect(part(page, 'Rehearse')).toContainText('only ranges that changed are touched');
  await start(page);
  const proof = part(page, 'Proof');
  await expect(proof).toContainText('Identical');

  const bytes = readFileSync(file);
  bytes.write('Luciana Souza+Romero Lubambo', bytes.indexOf('Luciana Souza/Romero Lubambo'), 'latin1');
  writeFileSync(file, bytes);
  await proof.getByRole('button', { name: 'Bring over what changed' }).click();
  await expect.poll(() => execute('select "Name" from followed."Artist" where "ArtistId" = 201').trim()).toBe('Luciana Souza+Romero Lubambo');
  await expect(proof.getByRole('button', { name: 'Last time…' })).toBeEnabled();
  await proof.getByRole('button', { name: 'Last time…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Bring over for the last time' }).click();
  await expect(proof.getByRole('button', { name: 'Last time…' })).toHaveCount(0);
  await expect(proof).toContainText('Identical');
  expect(execute(`select to_regclass('followed.pgsteward_import') is null`).trim()).toBe('t');
});

test('an upload is followed by uploading its file again', async ({ page }) => {
  const bytes = readFileSync(join(importFolder, 'chinook.sqlite'));
  const file = (modified: number): string => {
    // Beside the folder that the server may read: this one is the reader's own.
    const path = join(folder, 'mine.sqlite');
    writeFileSync(path, bytes);
    utimesSync(path, modified, modified);
    return path;
  };
  await open(page, `/db/${target}/import`);
  await part(page, 'Upload').getByLabel('Choose a SQLite file').setInputFiles([file(1_700_000_000)]);
  await part(page, 'Upload').getByRole('button', { name: 'Upload and inspect' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'mine.sqlite' })).toBeVisible();
  await expect(part(page, 'Tables').getByRole('link', { name: 'Album' })).toBeVisible();
  await part(page, 'Decide').getByLabel('Schema').fill('mine');
  await part(page, 'Decide').getByLabel('Follow the file').check();
  await start(page);
  const proof = part(page, 'Proof');
  await expect(proof).toContainText('Identical');
  await expect(proof).toContainText('upload the file as it is now');
  await expect(proof.getByRole('button', { name: 'Bring over what changed' })).toHaveCount(0);
  const asks = async (words: string) => {
    await proof.getByRole('button', { name: 'Last time…' }).click();
    await expect(page.getByRole('dialog')).toContainText(words);
    await page.getByRole('dialog').getByRole('button', { name: 'Not yet' }).click();
  };
  await asks('No newer upload is chosen');

  bytes.write('Luciana Souza+Romero Lubambo', bytes.indexOf('Luciana Souza/Romero Lubambo'), 'latin1');
  await proof.getByLabel('Choose a SQLite file').setInputFiles([file(1_700_000_100)]);
  await proof.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(proof.getByLabel('The file as it is now')).toContainText('mine.sqlite');
  await asks('The file that is read: mine.sqlite, 984 kB, uploaded ');
  await proof.getByLabel('The file as it is now').selectOption({ label: 'Choose the upload' });
  await asks('No newer upload is chosen');
  await proof.getByLabel('The file as it is now').selectOption({ index: 1 });
  await proof.getByRole('button', { name: 'Bring over what changed' }).click();
  await expect.poll(() => execute('select "Name" from mine."Artist" where "ArtistId" = 201').trim()).toBe('Luciana Souza+Romero Lubambo');
  // What was brought over is not offered again.
  await expect(proof.getByLabel('The file as it is now')).toHaveCount(0);
  await expect(proof.getByRole('button', { name: 'Last time…' })).toBeEnabled();
  await proof.getByRole('button', { name: 'Last time…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Bring over for the last time' }).click();
  await expect(proof.getByRole('button', { name: 'Last time…' })).toHaveCount(0);
  await expect(proof).toContainText('Identical');
});

test('rows of others get new values only when the name is typed', async ({ page }) => {
  copy('again.sqlite');
  execute(`update followed."Artist" set "Name" = 'Someone' where "ArtistId" = 201`);
  await rehearse(page, 'again.sqlite', 'followed');
  await choose(page, 'Rows go into', 'tables that are there, columns by name');
  await choose(page, 'A row whose key is there already', 'replaces the values of the old one');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await page.getByRole('button', { name: /^Import 15,607 rows/ }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText("gets the file's values");
  await expect(dialog.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  await dialog.getByLabel("Type the database's name to confirm").fill(target);
  await dialog.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(part(page, 'Proof')).toContainText('Identical');
  expect(execute('select "Name" from followed."Artist" where "ArtistId" = 201').trim()).toBe('Luciana Souza/Romero Lubambo');
});

test('who decides on what someone else has changed is told, and loses nothing', async ({ page, browser, listener }) => {
  copy('shared.sqlite');
  await rehearse(page, 'shared.sqlite', 'mine');
  const other = await browser.newContext({ storageState: ADMINISTRATOR });
  await listener.listen(other);
  const second = await other.newPage();
  await open(second, page.url());
  await part(second, 'Decide').getByLabel('Schema').fill('theirs');
  await second.getByRole('button', { name: 'Rehearse' }).click();
  await expect(part(second, 'Rehearse')).toContainText('schema theirs');
  await other.close();

  listener.expect(/status of 409/);
  const refusal = page.waitForResponse((answer) => new URL(answer.url()).pathname === '/rpc/rehearse_import');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  expect(await (await refusal).json()).toMatchObject({ code: 'conflict', message: expect.stringContaining('Something else was decided') });
  await expect(part(page, 'Rehearse')).toContainText('schema theirs');
  await expect(part(page, 'Decide').getByLabel('Schema')).toHaveValue('mine');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await expect(part(page, 'Rehearse')).toContainText('schema mine');
  await page.getByRole('button', { name: 'Discard…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(page).toHaveURL(`/db/${target}/import`);
});

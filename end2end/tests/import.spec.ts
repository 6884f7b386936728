// An import by click: a file of the server's folder from its inspection to the proof, and an upload with its log. The
// imports stay for the pages that are looked at afterwards; what they made in the database does not.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { importFolder, target } from '../console';
import { execute, forgetImports } from './database';
import { choose, copy, dropSchemas, holdUp, part } from './imports';
import { withLog } from './log';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

const ROWS = '15,607';
const SCHEMA = 'music';

test.describe.configure({ mode: 'serial' });
test.use({ storageState: ADMINISTRATOR });

test.beforeAll(async ({}, { retry }) => {
  if (retry > 0) await forgetImports();
});
test.afterAll(() => dropSchemas(SCHEMA, 'music_of_upload'));

test('a file of the folder is inspected, and every table can be opened', async ({ page }) => {
  await open(page, `/db/${target}/import`);
  await expect(page.getByText('No import yet')).toBeVisible();
  await part(page, 'Files on the server').getByRole('button', { name: 'Inspect chinook.sqlite' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'chinook.sqlite' })).toBeVisible();
  await expect(part(page, 'Inspect')).toContainText(`${ROWS} rows in 11 tables`);
  await expect(part(page, 'Inspect')).toContainText('integrity check found nothing');
  await expect(part(page, 'Steps').locator('.step.done')).toContainText('1 Inspect');

  await part(page, 'Tables').getByRole('searchbox').fill('art');
  await expect(part(page, 'Tables').locator('tbody tr')).toHaveCount(1);
  await part(page, 'Tables').getByRole('link', { name: 'Artist' }).click();
  await expect(page).toHaveURL(/[?&]table=Artist#tables$/);
  const columns = part(page, 'Columns');
  await expect(columns.locator('tbody tr')).toHaveCount(2);
  await expect(columns).toContainText('275 integers');
  await columns.getByText('What was found').first().click();
  await expect(columns).toContainText('1 to 275');
});

test('what is decided is marked, undone, saved as a file and taken from one', async ({ page }) => {
  await open(page, `/db/${target}/import`);
  await page.getByRole('link', { name: 'chinook.sqlite' }).first().click();
  await part(page, 'Tables').getByRole('link', { name: 'Artist' }).click();
  const name = part(page, 'Columns').getByRole('row').filter({ hasText: 'Name' }).last();
  await name.getByLabel('Name of Name in PostgreSQL').fill('artist_name');
  await name.getByLabel('Name of Name in PostgreSQL').blur();
  await expect(name).toContainText('Changed');
  await expect(part(page, 'Decide')).toContainText('Not yet rehearsed');
  await page.getByRole('link', { name: 'Tables', exact: true }).last().click();
  await expect(part(page, 'Tables').getByRole('row').filter({ hasText: 'Artist' })).toContainText('1 column changed');

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download mapping' }).click()]);
  const mapping = JSON.parse(readFileSync(await download.path(), 'utf8'));
  expect(mapping.tables).toEqual({ Artist: { skip: false, columns: { Name: { skip: false, name: 'artist_name' } } } });
  await page.getByRole('button', { name: 'Undo all' }).click();
  await expect(part(page, 'Tables')).not.toContainText('changed');

  const file = (text: string) => ({ name: 'mapping.json', mimeType: 'application/json', buffer: Buffer.from(text) });
  await page.getByLabel('Use a mapping file').setInputFiles(file('{"tabels":{}}'));
  await expect(part(page, 'Decide').getByRole('alert')).toContainText('no mapping file: unknown field `tabels`');
  await page.getByLabel('Use a mapping file').setInputFiles(file(JSON.stringify({ ...mapping, schema: SCHEMA })));
  await expect(part(page, 'Decide').getByLabel('Schema')).toHaveValue(SCHEMA);
  await expect(part(page, 'Tables')).toContainText('1 column changed');
});

test('a rehearsal, the load as it happens, and the proof', async ({ page }) => {
  await open(page, `/db/${target}/import`);
  await page.getByRole('link', { name: 'chinook.sqlite' }).first().click();
  await part(page, 'Decide').getByLabel('Schema').fill(SCHEMA);
  await part(page, 'Decide').getByLabel('Schema').blur();
  await choose(page, 'Names', 'exactly as in the file');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  const plan = part(page, 'Rehearse');
  await expect(plan).toContainText('Nothing in the way');
  await plan.getByText(/^Make tables: /).click();
  await expect(plan.locator('pre').first()).toContainText(/create table/i);
  expect(execute(`select count(*) from pg_namespace where nspname = '${SCHEMA}'`).trim()).toBe('0');

  await part(page, 'Decide').getByLabel('Leave out triggers').check();
  await expect(plan).toContainText('Out of date');
  const start = page.getByRole('button', { name: `Import ${ROWS} rows into schema ${SCHEMA} of ${target}` });
  await expect(start).toBeDisabled();
  await part(page, 'Decide').getByLabel('Leave out triggers').uncheck();
  await expect(start).toBeEnabled();

  const held = await holdUp(SCHEMA);
  await start.click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText(`11 tables will be made in schema ${SCHEMA} of ${target}`);
  await dialog.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(part(page, 'Job').getByRole('heading', { name: 'Running' })).toBeVisible();
  await expect(part(page, 'Job').locator('.step')).not.toHaveCount(0);
  await expect(part(page, 'Job').getByRole('button', { name: 'Cancel job…' })).toBeVisible();
  await held.release();

  const proof = part(page, 'Proof');
  await expect(proof).toContainText(`Identical`);
  await expect(proof).toContainText(`all ${ROWS} rows of 11 tables were read back and compared`);
  await expect(proof.getByRole('region', { name: 'Tables with their hashes' }).locator('tbody tr')).toHaveCount(11);
  await expect(proof.getByRole('region', { name: 'Foreign keys' })).toContainText('Validated');
  await expect(part(page, 'Steps').locator('.step.done')).toHaveCount(5);
  expect(execute(`select count(*) from ${SCHEMA}."Track"`).trim()).toBe('3503');

  const [markdown] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Markdown of the report' }).click()]);
  expect(readFileSync(await markdown.path(), 'utf8').replaceAll('\\', '')).toContain(`# Import of chinook.sqlite into ${target}, schema ${SCHEMA}`);
  const [json] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'JSON of the report' }).click()]);
  expect(JSON.parse(readFileSync(await json.path(), 'utf8'))).toMatchObject({ verdict: 'identical', schema: SCHEMA });

  await page.getByRole('link', { name: 'Show what was found' }).click();
  await expect(page).toHaveURL(/[?&]show=inspection/);
  await part(page, 'Tables').getByRole('link', { name: 'Artist' }).click();
  await expect(part(page, 'Columns').getByLabel('Type of Name')).toBeDisabled();
});

test('rows that are in the -wal alone arrive by upload', async ({ page }) => {
  const [database, wal] = withLog('music.db', join(importFolder, 'chinook.sqlite'), 'Luciana Souza/Romero Lubambo', 'Luciana Souza+Romero Lubambo');
  await open(page, `/db/${target}/import`);
  const card = part(page, 'Upload');
  await card.getByLabel('Choose a SQLite file').setInputFiles([wal]);
  await expect(card.getByRole('alert')).toContainText('write-ahead log without its database');
  await card.getByLabel('Choose a SQLite file').setInputFiles([database]);
  await expect(card).toContainText('without a -wal');
  await card.getByLabel('Choose a SQLite file').setInputFiles([wal]);
  await expect(card).toContainText('with its -wal of');
  await card.getByRole('button', { name: 'Upload and inspect' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'music.db' })).toBeVisible();
  await expect(part(page, 'Inspect')).toContainText('with a -wal of');

  await part(page, 'Decide').getByLabel('Schema').fill('music_of_upload');
  await part(page, 'Decide').getByLabel('Schema').blur();
  await choose(page, 'Names', 'in lower case');
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await page.getByRole('button', { name: /^Import 15,607 rows/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Import', exact: true }).click();
  await expect(part(page, 'Proof')).toContainText('Identical');
  expect(execute('select name from music_of_upload.artist where artistid = 201').trim()).toBe('Luciana Souza+Romero Lubambo');
});

test('an upload that broke off goes on with the same file, and with no other', async ({ page, listener }) => {
  listener.expect(/status of 404/, /Failed to load resource/);
  await page.route('**/import/uploads/**', (route) => route.abort());
  await open(page, `/db/${target}/import`);
  const card = part(page, 'Upload');
  const file = join(importFolder, 'chinook.sqlite');
  await card.getByLabel('Choose a SQLite file').setInputFiles([file]);
  await card.getByRole('button', { name: 'Upload and inspect' }).click();
  await expect(card).toContainText('0 B of');
  await card.getByRole('button', { name: 'Pause' }).click();
  await expect(card).toContainText('paused');
  await page.unroute('**/import/uploads/**');

  await open(page, `/db/${target}/import`);
  await expect(card).toContainText('Unfinished');
  const again = card.getByLabel('Resume: choose the same file');
  await again.setInputFiles({ name: 'chinook.sqlite', mimeType: 'application/x-sqlite3', buffer: Buffer.from('another one') });
  await expect(card.getByRole('alert')).toContainText('not the files of this upload');
  await again.setInputFiles([file]);
  await expect(page.getByRole('heading', { level: 1, name: 'chinook.sqlite' })).toBeVisible();
  await expect(part(page, 'Inspect')).toContainText(`${ROWS} rows in 11 tables`);
  await page.getByRole('button', { name: 'Discard…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
  await expect(page).toHaveURL(`/db/${target}/import`);
});

test('what is no database is refused in words', async ({ page }) => {
  await open(page, `/db/${target}/import`);
  await part(page, 'Upload').getByLabel('Choose a SQLite file').setInputFiles({ name: 'empty.db', mimeType: 'application/x-sqlite3', buffer: Buffer.from('') });
  await expect(part(page, 'Upload').getByRole('alert')).toContainText('The file is empty.');
});

test('an import waits to be decided, for the pages that follow', async ({ page }) => {
  copy('undecided.sqlite');
  await open(page, `/db/${target}/import`);
  await part(page, 'Files on the server').getByRole('button', { name: 'Inspect undecided.sqlite' }).click();
  await expect(part(page, 'Tables').getByRole('link', { name: 'Album' })).toBeVisible();
  await open(page, `/db/${target}/import`);
  await expect(page.getByRole('region', { name: 'Imports' }).getByRole('row').filter({ hasText: 'undecided.sqlite' })).toContainText('Ready to decide');
});

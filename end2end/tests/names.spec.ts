// Any name of a table survives its way through the browser: link, click, reload, title, CSV.
import { readFileSync } from 'node:fs';
import type { Page } from '@playwright/test';
import { target } from '../console';
import { execute, settle } from './database';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

/** A schema of its own: the tests of others count tables of `public`. */
const SCHEMA = 'e2e "names" %2F';

/** Names that PostgreSQL takes and that mean something to HTML, a URL, a shell, a terminal or a spreadsheet. */
const NAMES = [
  '</title><meta http-equiv=refresh content=0;url=/audit>', '<script>alert(1)</script>', '&lt;b&gt;', '50%2F50', '50/50', '%', '..', '.',
  'x ', ' x', 'a\nb', 'a\r\nb', 'tab\there', '\u001b[31mred', '\u202egpj.exe', 'a"b', "it's", 'back\\slash', '~2F', '?q=1#fragment', 'a;b+c&d=e',
  "=cmd|' /C calc'!A0", 'größe und 表', 'مرحبا', '{x}', '1'.repeat(63),
];

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;

const drop = () => execute(`drop schema if exists ${identifier(SCHEMA)} cascade`);

test.beforeAll(async () => {
  await settle();
  drop();
  execute(`create schema ${identifier(SCHEMA)};` + NAMES.map((name) => `create table ${identifier(SCHEMA)}.${identifier(name)} (id int)`).join(';'));
});
test.afterAll(drop);

const list = `/db/${target}/tables?q=${encodeURIComponent('e2e "names"')}&sort=name&dir=asc`;

/** The links to tables, with the names that they show. */
const links = (page: Page) => page.locator('main table tbody td:first-child a[href*="/tables/"]');

/** What the browser knows of the page: its heading and its title, character by character. */
const told = (page: Page) =>
  page.evaluate(() => ({ heading: document.querySelector('main h1')?.textContent ?? '', title: document.title, at: location.pathname }));

const parsed = (text: string) => text.replaceAll(/\r\n?/g, '\n');
const folded = (text: string) => text.replaceAll(/[\x00-\x1f ]+/g, ' ').trim();

test('every table is reached by its link, found again after a reload, and named in the title', async ({ page }) => {
  const reached: string[] = [];
  const met = new Set<string>();
  page.on('dialog', (dialog) => met.add(`a dialog: ${dialog.message()}`));
  await open(page, list);
  await expect(links(page)).toHaveCount(NAMES.length);
  for (let at = 0; at < NAMES.length; at++) {
    const link = links(page).nth(at);
    const href = (await link.getAttribute('href')) ?? '';
    await link.click();
    await expect(page.getByRole('main').getByText('There is no table')).toHaveCount(0);
    await expect(page.getByRole('main').getByRole('heading', { level: 1 })).not.toHaveText('Tables');
    const clicked = await told(page);
    await page.reload();
    await takenOver(page);
    const loaded = await told(page);
    expect({ ...loaded, heading: parsed(loaded.heading), title: folded(loaded.title) }, href).toEqual({
      ...clicked, heading: parsed(clicked.heading), title: folded(clicked.title),
    });
    // An HTML parser reads a carriage return as a line feed; a title has its blanks folded, and no control characters.
    const name = NAMES.find((name) => parsed(clicked.heading) === parsed(`${SCHEMA}.${name}`) && !reached.includes(name));
    expect(name, `the heading "${clicked.heading}" of ${href} is a table's`).toBeDefined();
    expect(folded(loaded.title)).toContain(folded(name!));
    reached.push(name!);
    await page.goBack();
    await expect(links(page)).toHaveCount(NAMES.length);
  }
  expect(reached.toSorted()).toEqual(NAMES.toSorted());
  expect([...met]).toEqual([]);
});

test('a file of tables holds every name, and no cell of it is a formula', async ({ page }) => {
  await open(page, list);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  const rows = cells(readFileSync(await download.path(), 'utf8'));
  expect(new Set(rows.map((row) => row.length)).size).toBe(1);
  const names = rows.filter((row) => row[0] === SCHEMA).map((row) => row[1]);
  // What a spreadsheet would reckon has a sign before it that makes it text.
  expect(names.map((name) => name.replace(/^'(?=[=+\-@\t\r])/, '')).toSorted()).toEqual(NAMES.toSorted());
  expect(names.filter((name) => /^[=+\-@]/.test(name))).toEqual([]);
});

/** RFC 4180. */
function cells(text: string): string[][] {
  const rows: string[][] = [[]];
  const pattern = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n|$)/gy;
  for (let match = pattern.exec(text); match && match[0]; match = pattern.exec(text)) {
    const [, cell, end] = match;
    rows[rows.length - 1].push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === '\r\n') rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

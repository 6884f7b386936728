// What statements cost: found, sorted and opened, by click and by key, on a narrow screen, and without JavaScript.
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { target } from '../console';
import { execute } from './database';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

const queries = `/db/${target}/queries`;
/** What an application runs, with a tag of its framework. */
const WORKLOAD = `select count(*) as of_the_application from ari_snapshots where autonomy_retention > 0.5 /*controller='orders'*/;\n`;
const SHOWN = 'select count(*) as of_the_application';

/** So many statements that a page does not show them all at first. */
const MANY = Array.from({ length: 60 }, (_, at) => `select 1${', 1'.repeat(at)}, 'of_many';\n`).join('');

test.beforeAll(() => {
  execute(WORKLOAD.repeat(400) + MANY.repeat(20));
});

const table = (page: Page): Locator => page.getByRole('region', { name: 'Statements' });
/** The link in a column's head; the texts of statements are links too, with any word in them. */
const head = (page: Page, name: string): Locator => table(page).locator('thead').getByRole('link', { name, exact: true });
const own = (page: Page): Locator => table(page).locator('tbody tr').filter({ hasText: SHOWN });

/** Opens the page once the console has looked since the workload ran: at most half a minute. */
async function listed(page: Page, query = ''): Promise<void> {
  await open(page, `${queries}${query}`);
  await expect(async () => {
    await page.reload();
    await takenOver(page);
    await expect(own(page)).toHaveCount(1, { timeout: 2_000 });
  }).toPass({ timeout: 100_000 });
}

async function axeFindsNothing(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

test('a statement is found, sorted by what it costs, and opened with its history', async ({ page }) => {
  await listed(page);
  await axeFindsNothing(page);
  // Every order is in the link, and turns round with the second click.
  await head(page, 'Calls').click();
  await expect(page).toHaveURL(/sort=calls&dir=desc/);
  const column = table(page).getByRole('columnheader', { name: 'Calls' });
  await expect(column).toHaveAttribute('aria-sort', 'descending');
  const calls = async () => (await table(page).locator('tbody tr td:nth-child(5)').allTextContents()).map((text) => Number(text.replaceAll(',', '')));
  await expect.poll(async () => (await calls()).every((value, at, all) => at === 0 || value <= (all[at - 1] ?? 0))).toBe(true);
  await head(page, 'Calls').click();
  await expect(column).toHaveAttribute('aria-sort', 'ascending');

  await page.getByRole('combobox', { name: 'Tag' }).selectOption('controller=orders');
  await expect(page).toHaveURL(/tag=controller%3Dorders/);
  await expect(table(page).locator('tbody tr')).toHaveCount(1);
  await page.getByRole('searchbox', { name: 'Filter statements…' }).fill('nothing is like this');
  await expect(page.getByText('No such statement')).toBeVisible();
  await page.getByRole('link', { name: 'Show all statements' }).click();
  await head(page, 'Time').click();
  await expect(own(page)).toHaveCount(1);

  await own(page).getByRole('link').click();
  const main = page.getByRole('main');
  await expect(main.getByRole('heading', { level: 1, name: 'Statement' })).toBeVisible();
  await expect(main.locator('pre').first()).toContainText('autonomy_retention > $1');
  await expect(main).toContainText('controller=orders');
  await expect(page.getByRole('region', { name: 'Who calls it' })).toContainText('postgres');
  await expect(page.getByRole('region', { name: 'How much its calls differ' }).locator('tbody tr')).toHaveCount(1);
  await expect(page.getByRole('slider', { name: 'Calls a second over time' })).toBeVisible();
  await axeFindsNothing(page);
  // The range goes with the link.
  await page.getByRole('navigation', { name: 'Range' }).getByRole('link', { name: '6h' }).click();
  await expect(page).toHaveURL(/range=6h/);
  await expect(main.locator('pre').first()).toContainText('autonomy_retention > $1');
  await page.getByRole('navigation', { name: 'Way back' }).getByRole('link', { name: 'Queries' }).click();
  await expect(main.getByRole('heading', { level: 1, name: 'Queries' })).toBeVisible();
});

test('fifty statements are shown, and more by a click', async ({ page }) => {
  await listed(page);
  const rows = table(page).locator('tbody tr');
  await expect(rows).toHaveCount(50);
  await expect(page.getByRole('main')).toContainText('The first 50 of ');
  await page.getByRole('link', { name: 'Show more' }).click();
  await expect(page).toHaveURL(/show=100/);
  await expect.poll(() => rows.count()).toBeGreaterThan(50);
  // What was asked for stays with another order.
  await head(page, 'Calls').click();
  await expect(page).toHaveURL(/show=100.*sort=calls/);
  await expect.poll(() => rows.count()).toBeGreaterThan(50);
});

for (const [what, call] of [['the list', 'list_queries'], ['a statement', 'view_query']] as const) {
  test(`${what} is kept when a refresh fails, and a hidden tab asks for nothing`, async ({ page, listener }) => {
    let asked = 0;
    let away = false;
    await page.route(`**/rpc/${call}`, async (route) => {
      asked += 1;
      if (away) await route.abort('connectionfailed');
      else await route.continue();
    });
    listener.expect(new RegExp(`${call}|ERR_CONNECTION`));
    await page.clock.install();
    await listed(page);
    if (call === 'view_query') await open(page, (await own(page).getByRole('link').getAttribute('href')) ?? '');
    const known = call === 'view_query' ? page.getByRole('region', { name: 'Who calls it' }).locator('tbody tr') : own(page);
    await expect(known).toHaveCount(1);
    const strip = page.getByRole('main').getByRole('status').filter({ hasText: 'Not up to date' });
    const before = asked;
    await page.clock.runFor(31_000);
    await expect.poll(() => asked).toBeGreaterThan(before);
    away = true;
    await page.clock.runFor(31_000);
    await expect(strip.first()).toContainText('The console cannot be reached.');
    await expect(known).toHaveCount(1);
    away = false;
    await page.clock.runFor(31_000);
    await expect(strip).toHaveCount(0);
    await expect(known).toHaveCount(1);

    await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }));
    // What was asked before that has gone through by the time a later request has.
    await page.evaluate(() => fetch('/healthz'));
    const hidden = asked;
    await page.clock.runFor(120_000);
    await page.evaluate(() => fetch('/healthz'));
    expect(asked).toBe(hidden);
    await page.unrouteAll({ behavior: 'wait' });
  });
}

test('it is reached and used by keyboard', async ({ page }) => {
  await open(page, '/');
  await expect(async () => {
    await page.keyboard.press('g');
    await page.keyboard.press('q');
    await expect(page).toHaveURL(new RegExp(`${queries}$`), { timeout: 5_000 });
  }).toPass();
  await listed(page);
  await page.keyboard.press('/');
  const search = page.getByRole('searchbox', { name: 'Filter statements…' });
  await expect(search).toBeFocused();
  await page.keyboard.type('of_the_application');
  await expect(page).toHaveURL(/q=of_the_application/);
  await expect(table(page).locator('tbody tr')).toHaveCount(1);
  await own(page).getByRole('link').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'Statement' })).toBeVisible();
});

test('no column is cut off beside another', async ({ page }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await listed(page);
  await own(page).getByRole('link').click();
  const differ = page.getByRole('region', { name: 'How much its calls differ' });
  await expect(differ.locator('tbody tr')).toHaveCount(1);
  expect(await differ.evaluate((region) => region.scrollWidth <= region.clientWidth)).toBe(true);
});

test('nothing is cut off on a narrow screen', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await listed(page, '?q=of_the_application');
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
  expect(await fits()).toBe(true);
  await own(page).getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1, name: 'Statement' })).toBeVisible();
  await expect(page.getByRole('slider', { name: 'Calls a second over time' })).toBeVisible();
  expect(await fits()).toBe(true);
});

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('a statement is filtered, sorted and opened', async ({ page }) => {
    await expect(async () => {
      await page.goto(queries);
      await expect(own(page)).toHaveCount(1, { timeout: 2_000 });
    }).toPass({ timeout: 100_000 });
    await page.getByRole('searchbox', { name: 'Filter statements…' }).fill('of_the_application');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(table(page).locator('tbody tr')).toHaveCount(1);
    await page.goto(queries);
    await page.getByRole('link', { name: 'Show more' }).click();
    await expect.poll(() => table(page).locator('tbody tr').count()).toBeGreaterThan(50);
    await page.goto(`${queries}?q=of_the_application`);
    await head(page, 'Mean').click();
    await expect(page).toHaveURL(/q=of_the_application.*sort=mean/);
    await own(page).getByRole('link').click();
    await expect(page.locator('pre').first()).toContainText('autonomy_retention > $1');
    await expect(page.getByRole('region', { name: 'Who calls it' })).toContainText('postgres');
  });
});

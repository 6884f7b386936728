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

test.beforeAll(() => {
  execute(WORKLOAD.repeat(40));
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
    await head(page, 'Mean').click();
    await expect(page).toHaveURL(/q=of_the_application.*sort=mean/);
    await own(page).getByRole('link').click();
    await expect(page.locator('pre').first()).toContainText('autonomy_retention > $1');
    await expect(page.getByRole('region', { name: 'Who calls it' })).toContainText('postgres');
  });
});

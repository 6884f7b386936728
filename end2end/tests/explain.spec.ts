// A plan: asked for, run by an operator, pasted, compared; by mouse, by keyboard, narrow, and without JavaScript.
import type { Page } from '@playwright/test';
import { baseURL, target } from '../console';
import { execute } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR, signIn } from './session';

const QUERY = "select * from ari_snapshots where user_id = 'user-4' order by timestamp desc limit 10";
const PASTED = ` Limit  (cost=0.00..99.00 rows=10 width=8) (actual time=0.1..900.0 rows=10 loops=1)
   ->  Seq Scan on ari_snapshots  (cost=0.00..99.00 rows=40 width=8) (actual time=0.1..899.0 rows=10 loops=1)
         Filter: ((user_id)::text = 'user-123'::text)
         Rows Removed by Filter: 1999990
 Execution Time: 901.0 ms`;

const page_ = `/db/${target}/explain`;
const plan = (page: Page) => page.getByRole('region', { name: 'Plan' });
const agree = (page: Page) => page.getByLabel('Run it although a part of what it does is not undone');
const statement = (page: Page) => page.getByLabel('One statement that reads or changes rows');

test.use({ storageState: ADMINISTRATOR });

test('a statement is explained, run, and both plans stand side by side', async ({ page, listener }) => {
  listener.expect(/status of 4\d\d.*(plan|analyze)_statement/);
  await open(page, page_);
  await statement(page).fill('drop table ari_snapshots');
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('It begins with DROP');
  await statement(page).fill(QUERY);
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  await expect(page).toHaveURL(/\/explain\/[0-9a-f-]{36}$/);
  await expect(plan(page)).toContainText('Index Scan using idx_ari_user_timestamp on ari_snapshots');
  await expect(page.getByRole('main')).toContainText('No table is read whole');
  await expect(page.getByRole('main')).toContainText('It was not run');
  const first = page.url();

  await page.goBack();
  await statement(page).fill("delete from ari_snapshots where user_id = 'user-4'");
  await page.getByRole('button', { name: 'Run and explain' }).click();
  await expect(page.getByRole('alert')).toContainText('changes rows');
  await expect(agree(page)).toBeFocused();
  await statement(page).fill(QUERY);
  await page.getByRole('button', { name: 'Run and explain' }).click();
  await expect(page).toHaveURL(/\/explain\/[0-9a-f-]{36}$/);
  await expect(page).not.toHaveURL(first);
  await expect(plan(page).getByRole('columnheader', { name: 'Own time' })).toBeVisible();

  await page.getByLabel('Compare with').selectOption(first.split('/').pop() ?? '');
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  const compared = page.getByRole('region', { name: 'Nodes compared' });
  await expect(compared).toContainText('Index Scan using idx_ari_user_timestamp on ari_snapshots');
  await expect(page).toHaveURL(/\?with=/);

  await open(page, '/audit?type=explain.analyze');
  await expect(page.getByRole('region', { name: 'Entries' })).toContainText('select * from ari_snapshots where user_id = …');
});

test('a plan from elsewhere is read by keyboard alone, and fits a narrow screen', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await open(page, page_);
  await page.getByLabel('What EXPLAIN printed').focus();
  await page.keyboard.insertText(PASTED);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Read the plan' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toContainText('Seq Scan on ari_snapshots reads 2.00 M rows to return 10.');
  await expect(page.getByRole('main')).toContainText('idx_ari_user_timestamp (user_id, timestamp) would serve it');
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBeLessThanOrEqual(390);
});

test.describe('a slow page of the application', () => {
  /** What it runs, with the tag of its framework: no index serves that. */
  const slowly = `select id from page_visits where visitor = 'user-77' order by id /*controller='slow_page'*/;\n`;
  const slow = (page: Page) => page.getByRole('region', { name: 'Statements' }).getByRole('row').filter({ hasText: 'controller=slow_page' });

  test.beforeAll(() => {
    // Before PostgreSQL 16, values for a plan are taken from statistics.
    execute(`
      drop table if exists page_visits;
      create table page_visits as select n as id, 'user-' || n % 5000 as visitor from generate_series(1, 50000) as n;
      analyze page_visits;
      ${slowly.repeat(300)}`);
  });
  test.afterAll(() => void execute('drop table page_visits'));

  /** Opens the statements once the console has looked since that ran: at most half a minute. */
  async function counted(page: Page): Promise<void> {
    await expect(async () => {
      await page.goto(`/db/${target}/queries`);
      await expect(slow(page)).toHaveCount(1, { timeout: 2_000 });
    }).toPass({ timeout: 100_000 });
  }

  test('leads to its cause in four clicks', async ({ page }) => {
    await counted(page);
    await open(page, `/db/${target}/`);
    const main = page.getByRole('main');
    const steps = [
      page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: 'Queries' }),
      slow(page).getByRole('link'),
      main.getByRole('link', { name: 'Explain', exact: true }),
      main.getByRole('button', { name: 'Explain', exact: true }),
    ];
    expect(steps).toHaveLength(4);
    for (const step of steps) await step.click();
    await expect(page).toHaveURL(/\/explain\/[0-9a-f-]{36}$/);
    await expect(main).toContainText(/Seq Scan on page_visits would read about 50\.0 k rows to return \d+/);
    await expect(main).toContainText('An index on (visitor) might serve it.');
    await expect(plan(page)).toContainText('Seq Scan on page_visits');

    // The way back holds the statement, which leads to its page. One that is not known says so.
    await page.goBack();
    await expect(statement(page)).toHaveValue(/where visitor = \$1/);
    await main.getByRole('link', { name: /^Statement .* of Queries$/ }).click();
    await expect(main.getByRole('heading', { level: 1, name: 'Statement' })).toBeVisible();
    await open(page, `${page_}?query=123`);
    await expect(main.getByRole('status').filter({ hasText: 'It cannot be explained from here' })).toContainText('Its text is not known');
    await expect(statement(page)).toHaveValue('');
  });

  test('leads to its plan without JavaScript too', async ({ browser, listener }) => {
    const context = await browser.newContext({ baseURL, storageState: ADMINISTRATOR, javaScriptEnabled: false });
    await listener.listen(context);
    const page = await context.newPage();
    await counted(page);
    await slow(page).getByRole('link').click();
    await page.getByRole('main').getByRole('link', { name: 'Explain', exact: true }).click();
    await expect(statement(page)).toHaveValue(/where visitor = \$1/);
    await page.getByRole('button', { name: 'Explain', exact: true }).click();
    await expect(plan(page)).toContainText('Seq Scan on page_visits');
    await context.close();
  });
});

test('without JavaScript a plan is had as well, and a refusal says why', async ({ browser, listener }) => {
  const context = await browser.newContext({ baseURL, storageState: ADMINISTRATOR, javaScriptEnabled: false });
  await listener.listen(context);
  const page = await context.newPage();
  await page.goto(page_);
  await statement(page).fill('select 1; select 2');
  await page.getByRole('button', { name: 'Explain', exact: true }).click();
  await expect(page.getByRole('main').getByRole('status')).toContainText('It is not one statement');
  await expect(agree(page)).toBeHidden();
  await statement(page).fill("delete from ari_snapshots where user_id = 'user-4'");
  await page.getByRole('button', { name: 'Run and explain' }).click();
  await expect(page.getByRole('main').getByRole('status')).toContainText('is not undone by rolling back');
  await expect(agree(page)).toBeVisible();
  await statement(page).fill(QUERY);
  await page.getByRole('button', { name: 'Run and explain' }).click();
  await expect(plan(page)).toContainText('idx_ari_user_timestamp');
  await expect(plan(page).getByRole('columnheader', { name: 'Met' })).toBeVisible();
  await page.goto(page_);
  await page.getByLabel('What EXPLAIN printed').fill(PASTED);
  await page.getByRole('button', { name: 'Read the plan' }).click();
  await expect(plan(page)).toContainText('Seq Scan on ari_snapshots');
  await context.close();
});

test('a viewer may explain, and neither runs nor sees values', async ({ page, browser, listener }) => {
  const name = `viola${test.info().retry}`;
  const password = 'a sentence nobody guesses';
  await open(page, '/settings');
  const added = await page.request.post('/rpc/add_user', {
    headers: { Origin: baseURL },
    data: { user: { name, role: 'viewer', password, must_change_password: false } },
  });
  expect(added.ok()).toBe(true);
  const context = await browser.newContext({ baseURL, storageState: undefined });
  await listener.listen(context);
  const viewer = await context.newPage();
  await viewer.goto('/login');
  await signIn(viewer, name, password);
  await expect(viewer).not.toHaveURL(/login/);
  await open(viewer, page_);
  await expect(viewer.getByRole('button', { name: 'Run and explain' })).toBeHidden();
  await statement(viewer).fill(QUERY);
  await viewer.getByRole('button', { name: 'Explain', exact: true }).click();
  await expect(viewer.getByRole('main')).toContainText('Values in statement and conditions are hidden');
  await expect(viewer.getByRole('main')).not.toContainText('user-4');
  const refused = await viewer.request.post('/rpc/analyze_statement', {
    headers: { Origin: baseURL },
    form: { target, statement: QUERY },
    maxRedirects: 0,
  });
  expect(refused.status()).toBe(403);
  await context.close();
});

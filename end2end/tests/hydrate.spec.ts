// What a page can do once it is hydrated: keys, theme, lists whose state is in the URL, files for a spreadsheet.
import { readFileSync } from 'node:fs';
import { target } from '../console';
import { FORMULA } from './database';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

test('Ctrl-K goes to a page, a database or a job by a few letters', async ({ page }) => {
  await open(page, '/');
  await page.keyboard.press('Control+k');
  const palette = page.getByRole('dialog', { name: 'Go to' });
  await expect(palette.getByRole('combobox')).toBeFocused();
  await expect(palette.getByRole('option', { selected: true })).toContainText('Overview');
  await page.keyboard.type('opt');
  await expect(palette.getByRole('option').first()).toContainText('Optimize');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(`/db/${target}/optimize`);
  await expect(palette).toBeHidden();

  await page.keyboard.press('Control+k');
  await expect(palette.getByRole('combobox')).toBeFocused();
  await expect(palette.getByRole('combobox')).toHaveValue('');
  await page.keyboard.type('job migrate');
  await expect(palette.getByRole('option').first()).toContainText(`Migrate ${target}`);
  await expect(palette.getByRole('option').first()).toContainText(/job, succeeded · .* ago|just now/);
  await palette.getByRole('option').first().click();
  await expect(page.getByRole('heading', { level: 1, name: `Migrate ${target}` })).toBeVisible();

  await page.keyboard.press('Control+k');
  await page.keyboard.type('ari_snap');
  await expect(palette.getByRole('option').first()).toContainText('ari_snapshots');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name: 'ari_snapshots' })).toBeVisible();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('back up');
  await expect(palette.getByRole('option', { selected: true })).toContainText(`Back up ${target} now`);
  await page.keyboard.press('Escape');

  await page.getByRole('button', { name: 'Go to a page' }).click();
  await expect(palette.getByRole('combobox')).toBeFocused();
  await page.keyboard.type('no such thing');
  await expect(palette).toContainText('Nothing has this name.');
  await page.keyboard.press('Escape');
  await expect(palette).toBeHidden();
});

test('keys go to each area, to the search and to their own list, and not while one types', async ({ page }) => {
  await open(page, '/');
  for (const [key, path] of [
    ['o', `/db/${target}/`], ['t', `/db/${target}/tables`], ['q', `/db/${target}/queries`], ['y', `/db/${target}/activity`], ['e', `/db/${target}/explain`], ['m', `/db/${target}/migrations`], ['p', `/db/${target}/optimize`],
    ['b', `/db/${target}/backups`], ['a', '/audit'], ['j', '/jobs'], ['s', '/settings'], ['h', '/'], ['t', `/db/${target}/tables`],
  ] as const) {
    // The letter has to come soon after the g, for which a busy machine may be too slow the first time.
    await expect(async () => {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await expect(page).toHaveURL(path, { timeout: 5_000 });
    }).toPass();
  }
  const search = page.getByRole('searchbox', { name: 'Filter tables…' });
  await expect(search).toBeVisible();
  await page.keyboard.press('/');
  await expect(search).toBeFocused();
  await page.keyboard.type('g?');
  await expect(search).toHaveValue('g?');
  const keys = page.getByRole('dialog', { name: 'Keyboard' });
  await expect(keys).toBeHidden();
  await search.blur();
  await page.keyboard.press('?');
  await expect(keys).toContainText('Search on this page');
  await page.keyboard.press('Escape');
  await expect(keys).toBeHidden();
});

test('a chosen theme holds from the first paint of the next page on', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await open(page, '/settings');
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  const choice = page.getByRole('main').getByRole('group', { name: 'Theme' });
  await expect(choice.getByRole('button', { name: 'System' })).toHaveAttribute('aria-pressed', 'true');
  await choice.getByRole('button', { name: 'Dark' }).click();
  await expect.poll(background).not.toBe(light);
  const dark = await background();
  await page.goto(`/db/${target}/`, { waitUntil: 'commit' });
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await takenOver(page);
  expect(await background()).toBe(dark);
  await open(page, '/settings');
  await expect(choice.getByRole('button', { name: 'Dark' })).toHaveAttribute('aria-pressed', 'true');
  await choice.getByRole('button', { name: 'System' }).click();
  await expect.poll(background).toBe(light);
});

test('sorting is a step in the history, and searching is in the URL', async ({ page }) => {
  await open(page, `/db/${target}/tables`);
  const head = (name: string) => page.getByRole('columnheader', { name, exact: true });
  const first = page.locator('main tbody tr').first();
  await expect(head('Total')).toHaveAttribute('aria-sort', 'descending');
  await expect(first).toContainText('ari_snapshots');
  await head('Table').getByRole('link').click();
  await expect(page).toHaveURL(/\?sort=name&dir=asc$/);
  // The first is the largest, too: those below tell that the list has come.
  await expect(page.locator('main tbody tr').nth(1)).toContainText('atomic_blocks');
  await expect(page.locator('main tbody tr').nth(2)).toContainText('audit_logs');
  await head('Table').getByRole('link').click();
  await expect(page).toHaveURL(/\?sort=name&dir=desc$/);
  await expect(first).toContainText('user_profiles');
  await page.goBack();
  await expect(page).toHaveURL(/\?sort=name&dir=asc$/);
  await expect(head('Table')).toHaveAttribute('aria-sort', 'ascending');
  await expect(first).toContainText('ari_snapshots');

  await page.getByRole('searchbox').fill('goal');
  await expect(page).toHaveURL(/[?&]q=goal/);
  await expect(page.locator('main tbody tr')).toHaveCount(1);
  await expect(first).toContainText('ffe_goals');
  await open(page, page.url());
  await expect(page.getByRole('searchbox')).toHaveValue('goal');
  await expect(page).toHaveURL(/sort=name/);
  await expect(page.locator('main tbody tr')).toHaveCount(1);
  await page.getByRole('searchbox').fill('no such table');
  await expect(page.getByText("No table's name contains “no such table”.")).toBeVisible();
  await page.getByRole('link', { name: 'Show all tables' }).click();
  await expect(page).toHaveURL(`/db/${target}/tables`);
  await expect(page.getByRole('searchbox')).toHaveValue('');
});

test('a log is read page by page, and back', async ({ page }) => {
  await open(page, `/audit?source=target&target=${target}`);
  const rows = page.locator('main tbody tr');
  await expect(rows).toHaveCount(50);
  await page.getByRole('link', { name: 'Older' }).click();
  await expect(page).toHaveURL(/[?&]after=/);
  await expect(rows.first()).toContainText('request 151');
  await page.goBack();
  await expect(rows.first()).toContainText('an attack');
  await page.getByLabel('Severity').selectOption('error');
  await expect(page).toHaveURL(/[?&]severity=error/);
  await expect(rows.first()).toContainText('request 200');
  await page.getByRole('link', { name: 'Console', exact: true }).click();
  await expect(page).toHaveURL('/audit');
  await expect(page.locator('main')).toContainText('Look at file');
});

test('no cell of a CSV file is a formula', async ({ page }) => {
  await open(page, `/audit?source=target&target=${target}&user=user-1`);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  expect(download.suggestedFilename()).toBe('audit_logs.csv');
  const lines = readFileSync(await download.path(), 'utf8').split('\r\n');
  expect(lines[0]).toMatch(/^id,at,severity,event_type,/);
  const attack = lines.find((line) => line.includes('HYPERLINK'));
  expect(attack).toContain(`,"'${FORMULA.replaceAll('"', '""')}",`);
  expect(lines.length).toBeGreaterThan(25);
});

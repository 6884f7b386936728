// What hands do: menus that close, rows and dialogs that stay, a job that moves nothing, acts within reach at every width.
import type { Locator, Page } from '@playwright/test';
import { admin, target } from '../console';
import { settle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

const backups = `/db/${target}/backups`;
const job = (page: Page): Locator => page.getByRole('region', { name: 'Job', exact: true });
const rows = (page: Page): Locator => page.getByRole('region', { name: 'Stored backups' }).locator('tbody tr');
const actsOf = (row: Locator): Locator => row.getByRole('button', { name: /^Actions for the backup of/ });

/** The menus of the frame and of a row, each with what opens it. */
const menus = (page: Page) => [
  { button: page.getByRole('button', { name: `${admin.name}, administrator` }), list: page.locator('#account') },
  { button: page.getByRole('button', { name: /^Switch database/ }), list: page.locator('#databases') },
  { button: actsOf(rows(page).first()), list: rows(page).first().locator('.menu-list') },
];

test('menus close on Esc, on a press elsewhere, when the focus leaves, and with the page', async ({ page }) => {
  await open(page, backups);
  for (const { button, list } of menus(page)) {
    await button.click();
    await expect(list).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(list).toBeHidden();
    await expect(button).toBeFocused();

    await page.keyboard.press('Enter');
    await expect(list).toBeVisible();
    await page.getByRole('heading', { level: 1 }).click();
    await expect(list).toBeHidden();

    await button.click();
    await expect(list).toBeVisible();
    await button.click();
    await expect(list).toBeHidden();

    await button.click();
    const choices = list.locator('a, button:visible');
    await choices.last().focus();
    await expect(list).toBeVisible();
    await page.getByRole('link', { name: 'Jobs', exact: true }).focus();
    await expect(list).toBeHidden();

    await button.click();
    await expect(list).toBeVisible();
    await button.focus();
    await page.keyboard.press('Shift+Tab');
    await expect(list).toBeHidden();
  }
  const [account, databases] = menus(page);
  await account.button.click();
  await account.list.getByRole('link').first().click();
  await expect(page).toHaveURL('/settings');
  await expect(account.list).toBeHidden();
  await databases.button.click();
  await expect(databases.list).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(backups);
  await expect(databases.list).toBeHidden();
});

test('a pressed act keeps the focus and can be read, the job moves nothing, and what is open stays open', async ({ page }) => {
  await settle();
  await open(page, backups);
  const count = await rows(page).count();
  await rows(page).first().getByText('Facts').click();
  const file = await rows(page).first().locator('dd').first().textContent();
  const act = page.getByRole('button', { name: 'Back up', exact: true });
  const top = async () => (await page.getByRole('region', { name: 'Stored backups' }).boundingBox())?.y;
  const before = await top();
  await act.click();
  await expect(act).toHaveAttribute('aria-disabled', 'true');
  await expect(act).toBeFocused();
  expect(await top()).toBe(before);
  const { text, ground } = await act.evaluate((button) => {
    const { color, backgroundColor } = getComputedStyle(button);
    return { text: color, ground: backgroundColor };
  });
  expect(contrast(text, ground)).toBeGreaterThan(4.5);
  await expect(rows(page)).toHaveCount(count + 1);
  await expect(job(page)).toContainText('succeeded');
  expect(await top()).toBe(before);
  await expect(page.getByText('under way')).toHaveCount(0);
  // The facts that were open are those of the same backup, one row further down.
  await expect(rows(page).nth(0).locator('details')).not.toHaveAttribute('open', /.*/);
  await expect(rows(page).nth(1).locator('details')).toHaveAttribute('open', /.*/);
  expect(await rows(page).nth(1).locator('dd').first().textContent()).toBe(file);
});

test('a backup of chosen parts is taken by click, and says what it lacks', async ({ page }) => {
  await settle();
  await open(page, backups);
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('link', { name: 'Parts and options…' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Back up', exact: true })).toBeVisible();
  const chosen = page.getByRole('region', { name: 'Chosen' });
  const act = chosen.getByRole('button', { name: /^Back up/ });
  await expect(act).toHaveText('Back up all of it');
  await page.getByRole('button', { name: 'Take all of public' }).first().click();
  await expect(chosen.getByRole('button', { name: 'Do not take all of public' })).toBeVisible();
  await page.getByRole('searchbox').fill('goal');
  await expect(page.getByRole('region', { name: 'Tables' }).locator('tbody tr')).toHaveCount(1);
  // A table takes the place of schemas: pg_dump takes one or the other.
  await page.getByLabel('ffe_goals').check();
  await expect(chosen.getByRole('button', { name: /^Do not take/ })).toHaveCount(1);
  await expect(chosen.getByRole('button', { name: 'Do not take public.ffe_goals' })).toBeVisible();
  await expect(act).toHaveText('Back up these');
  await act.click();
  await expect(page).toHaveURL(/\/jobs\//);
  await expect(page.getByRole('heading', { level: 1, name: `Back up public.ffe_goals of ${target}` })).toBeVisible();
  await expect(page.getByRole('main')).toContainText('succeeded');
  await open(page, backups);
  await expect(rows(page).first()).toContainText('Only these tables are in this backup: public.ffe_goals.');
});

test('an open question stays open, with what was typed, when the list is loaded again', async ({ page }) => {
  await settle();
  await open(page, backups);
  const count = await rows(page).count();
  await page.getByRole('button', { name: 'Back up', exact: true }).click();
  await actsOf(rows(page).last()).click();
  await page.getByRole('button', { name: /^Delete the backup of/ }).last().click();
  const dialog = page.getByRole('dialog', { name: /^Delete the backup of/ });
  await dialog.getByRole('textbox').fill('ai_p');
  await expect(rows(page)).toHaveCount(count + 1);
  await expect(dialog).toBeVisible();
  await expect(dialog.getByRole('textbox')).toHaveValue('ai_p');
  await page.keyboard.press('Escape');
  await expect(actsOf(rows(page).last())).toBeFocused();
});

test('a page that failed is loaded again when the console is back', async ({ page, listener }) => {
  listener.expect(/Failed to load resource/, /ERR_FAILED/);
  await page.route('**/events', (route) => route.abort());
  await open(page, '/jobs');
  await page.route('**/rpc/*', (route) => route.abort());
  await page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: 'Backups' }).click();
  // It is named by what happened.
  const fault = page.getByRole('alert').filter({ hasText: 'The console cannot be reached' });
  await expect(fault.first()).toBeVisible();
  await expect(page.getByText('Something went wrong')).toHaveCount(0);
  // The stream comes again by itself, and its snapshot says that the console is back.
  await page.unrouteAll();
  await expect(rows(page).first()).toBeVisible({ timeout: 120_000 });
  await expect(fault).toHaveCount(0);
});

test('an act after the session has ended says so with the way to the log-in and back', async ({ page, listener }) => {
  listener.expect(/status of 401/);
  await open(page, backups);
  await page.route('**/rpc/start_backup', (route) => route.fulfill({
    status: 401, contentType: 'application/json',
    body: JSON.stringify({ code: 'unauthenticated', message: 'You are not logged in, or your session has ended.', hint: 'Log in again.', field: null, target: null, trace: null }),
  }));
  await page.getByRole('button', { name: 'Back up', exact: true }).click();
  const link = page.getByRole('status').getByRole('link', { name: 'Log in again' });
  await expect(link).toHaveAttribute('href', `/login?next=${encodeURIComponent(backups)}`);
});

for (const width of [320, 390, 600, 721, 768, 900, 1040, 1200, 1440]) {
  test(`acts are within reach at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 900 });
    for (const [path, region, label] of [
      [backups, 'Stored backups', /^Actions for the backup of/], ['/settings', 'Your sessions', /^End /], ['/settings', 'Users', /^Actions for /],
    ] as const) {
      await open(page, path);
      const table = page.getByRole('region', { name: region });
      const frame = await table.boundingBox();
      for (const act of await table.getByRole('button', { name: label }).all()) {
        const box = await act.boundingBox();
        expect(box && frame && box.x >= frame.x && box.x + box.width <= frame.x + frame.width, `${path} ${region}`).toBe(true);
      }
      expect(await table.evaluate((table) => table.scrollWidth - table.clientWidth), `${path} ${region}`).toBeLessThanOrEqual(0);
    }
  });
}

test('the audit log is filtered in one line, by spans of time, and by a click on who and where', async ({ page }) => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await open(page, '/audit');
  const filters = page.getByRole('search', { name: 'Filters' });
  const tops = await filters.locator(':scope > :is(select, input:not([type=hidden]))').evaluateAll((all) => all.map((each) => Math.round(each.getBoundingClientRect().top)));
  expect(new Set(tops).size).toBe(1);
  await filters.getByLabel('When').selectOption('24h');
  await expect(page).toHaveURL('/audit?when=24h');
  const entries = page.getByRole('region', { name: 'Entries' }).locator('tbody tr');
  await entries.getByRole('link', { name: admin.name, exact: true }).first().click();
  await expect(page).toHaveURL(`/audit?when=24h&user=${admin.name}`);
  await entries.getByRole('link', { name: '127.0.0.1' }).first().click();
  await expect(page).toHaveURL(/address=127\.0\.0\.1/);
  await filters.getByRole('link', { name: /show any address/ }).click();
  await expect(page).toHaveURL(`/audit?when=24h&user=${admin.name}`);
});

test('one sees who one is and where one is signed in, and ends one session alone', async ({ page, browser, listener }) => {
  await open(page, '/settings');
  await expect(page.getByRole('banner')).toContainText(admin.name);
  const sessions = page.getByRole('region', { name: 'Your sessions' });
  const own = sessions.getByRole('row').filter({ hasText: 'this one' });
  await expect(own).toContainText(/Chrome \d+ on Linux/);
  await expect(own.getByRole('button')).toHaveCount(0);

  const context = await browser.newContext({ baseURL: new URL(page.url()).origin, userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', storageState: undefined });
  await listener.listen(context);
  const other = await context.newPage();
  await other.goto('/login');
  await other.getByLabel('Name').fill(admin.name);
  await other.getByLabel('Password').fill(admin.password);
  await other.getByRole('button', { name: 'Sign in' }).click();
  await expect(other).toHaveURL(`/db/${target}/`);
  await page.reload();
  const theirs = sessions.getByRole('row').filter({ hasText: 'Firefox 140 on Linux' });
  await theirs.first().getByRole('button', { name: /^End/ }).click();
  await expect(theirs).toHaveCount(0);
  await expect(own).toHaveCount(1);
  await other.goto('/settings');
  await expect(other).toHaveURL(/\/login/);
  await context.close();
});

/** The contrast of two colours of the form `rgb(r, g, b)`, by WCAG. */
function contrast(one: string, other: string): number {
  const luminance = (color: string) => {
    const [red, green, blue] = (color.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

// Times are shown in the zone that the reader chose, by the server and by the browser alike, and always say which it is.
import type { BrowserContext, Page } from '@playwright/test';
import { baseURL, target } from '../console';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR, timezoneId: 'Asia/Tokyo' });

const PAGES = [`/db/${target}/`, `/db/${target}/tables`, `/db/${target}/backups`, `/db/${target}/activity`, `/db/${target}/history`, '/jobs', '/audit', '/settings'];

const chosen = (context: BrowserContext, value: string) => context.addCookies([{ name: 'zone', value, url: baseURL }]);

/** The zone's difference from UTC at a moment, as pages write it. */
const mark = (zone: string, at: string) =>
  new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).format(new Date(at)).replace(/.*GMT/, '') || '+00:00';

/** A moment as a clock of the zone shows it. */
function wall(zone: string, at: string): string {
  const part = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' }).format(new Date(at));
  return `${part} ${mark(zone, at)}`;
}

/** Every time of the page: its moment, and the text that says it in full. */
const times = (page: Page) =>
  page.locator('main time[datetime]').evaluateAll((all) =>
    all.map((time) => ({
      at: time.getAttribute('datetime') ?? '',
      said: [time.getAttribute('title') ?? '', time.textContent ?? ''].filter((text) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d /.test(text)),
    })));

test('every page shows its times in the chosen zone, written by the server and by the browser', async ({ page, context }) => {
  const zone = 'Asia/Kolkata';
  await chosen(context, zone);
  let seen = 0;
  for (const path of PAGES) {
    const written = await (await page.request.get(path)).text();
    // What stands in the audit log was written down in UTC, and stays in its words.
    if (path !== '/audit') expect(written, path).not.toMatch(/\d\d:\d\d:\d\d UTC/);
    await open(page, path);
    for (const { at, said } of await times(page)) {
      for (const text of said) expect(text, `${path}: ${at}`).toBe(wall(zone, at));
      seen += said.length;
    }
  }
  expect(seen).toBeGreaterThan(10);
  await open(page, `/db/${target}/history?range=1h`);
  await expect(page.getByRole('main')).toContainText('times are Asia/Kolkata');
});

test('the zone is chosen under Settings: the browser\'s, another one by its name, or UTC', async ({ page, context }) => {
  await open(page, '/settings');
  const card = page.locator('section.card').filter({ has: page.getByRole('heading', { name: 'Times' }) });
  await expect(card).toContainText('Shown in UTC');
  await card.getByRole('button', { name: "This browser's (Asia/Tokyo)" }).click();
  await expect(card).toContainText('Shown in Asia/Tokyo');
  await expect(card).toContainText('+09:00');
  await takenOver(page);
  await expect(card.getByRole('button', { name: /This browser's/ })).toHaveAttribute('aria-pressed', 'true');

  // A browser that has travelled says so by itself.
  await chosen(context, 'browser:Europe/Berlin');
  await open(page, '/settings');
  await open(page, '/settings');
  await expect(card).toContainText('Shown in Asia/Tokyo');

  await card.getByLabel('Another zone').fill('Mars/Base');
  await card.getByRole('button', { name: 'Show in this zone' }).click();
  await expect(card).toContainText('“Mars/Base” is no time zone');
  await card.getByLabel('Another zone').fill('America/New_York');
  await card.getByRole('button', { name: 'Show in this zone' }).click();
  await expect(card).toContainText('Shown in America/New_York');
  await takenOver(page);
  await card.getByRole('button', { name: 'UTC', exact: true }).click();
  await expect(card).toContainText('Shown in UTC');
});

test('a browser whose clock is wrong is told so, and ages stay right', async ({ browser }) => {
  const context = await browser.newContext({ storageState: ADMINISTRATOR, baseURL });
  await context.addInitScript(() => {
    const now = Date.now;
    Date.now = () => now() - 3 * 60 * 60 * 1000;
  });
  const page = await context.newPage();
  await open(page, '/settings');
  await expect(page.getByRole('main')).toContainText(/This browser's clock is (3 h 0 min|2 h 59 min) behind the console's/);
  await open(page, '/audit');
  await expect(page.locator('main time').first()).not.toContainText(/^in /);
  await context.close();
});

test('between two times of the audit log is meant by the chosen clock, and the link stays in UTC', async ({ page, context }) => {
  await chosen(context, 'Asia/Kolkata');
  await open(page, '/audit?when=between&from=2026-11-23T16:30');
  const filters = page.getByRole('search', { name: 'Filters' });
  await expect(filters.getByLabel('From')).toHaveValue('2026-11-23T22:00');
  await expect(filters).toContainText('Asia/Kolkata');
  await filters.getByLabel('until').fill('2026-11-24T01:15');
  await filters.getByLabel('until').blur();
  await expect(page).toHaveURL(/until=2026-11-23T19(:|%3A)45/);
  await expect(filters.getByLabel('until')).toHaveValue('2026-11-24T01:15');
  await expect(filters.getByLabel('From')).toHaveValue('2026-11-23T22:00');
});

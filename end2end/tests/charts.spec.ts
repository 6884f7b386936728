// Charts: read by keyboard and pointer, zoomed by dragging, as a table behind each, and all of it in the URL.
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page, Request } from '@playwright/test';
import { target } from '../console';
import { Holder } from './database';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

const history = `/db/${target}/history`;
const chart = (page: Page, name: string): Locator => page.getByRole('slider', { name: `${name} over time` });

/** Opens a page of charts once something was measured: the second look comes within two minutes of the start. */
async function measured(page: Page, path: string): Promise<void> {
  await open(page, path);
  await expect(async () => {
    await page.reload();
    await takenOver(page);
    await expect(chart(page, 'Transactions').locator('path.line:not(.before)').first()).toHaveAttribute('d', /M/, { timeout: 2_000 });
  }).toPass({ timeout: 200_000 });
}

async function axeFindsNothing(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze();
  expect(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([]);
}

test('a chart is read by keyboard, zoomed by dragging, and left by going back', async ({ page }) => {
  await measured(page, `/db/${target}/?range=15m`);
  await axeFindsNothing(page);
  const transactions = chart(page, 'Transactions');
  await transactions.focus();
  await page.keyboard.press('Home');
  await expect(transactions).toHaveAttribute('aria-valuenow', '0');
  await expect(transactions).toHaveAttribute('aria-valuetext', /UTC: .*commits/i);
  await page.keyboard.press('ArrowRight');
  await expect(transactions).toHaveAttribute('aria-valuenow', '1');
  // The same moment on every chart.
  await expect(chart(page, 'Connections')).toHaveAttribute('aria-valuenow', '1');
  await page.keyboard.press('Escape');

  await transactions.scrollIntoViewIfNeeded();
  const box = await transactions.boundingBox();
  if (!box) throw new Error('the chart has no place');
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.2, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, middle, { steps: 5 });
  await expect(transactions.locator('rect.chosen')).toHaveCount(1);
  await page.mouse.up();
  await expect(page).toHaveURL(/from=.*to=/);
  await expect(page.getByRole('navigation', { name: 'Range' })).toContainText(/ to .* UTC/);
  await page.goBack();
  await expect(page).toHaveURL(/range=15m$/);
  await expect(page.getByRole('navigation', { name: 'Range' }).getByRole('link', { name: '15m' })).toHaveAttribute('aria-current', 'true');
});

test('behind each chart is a table, whose link can be shared', async ({ page }) => {
  await measured(page, `${history}?range=6h&before=1`);
  await axeFindsNothing(page);
  await page.getByRole('link', { name: 'Connections as a table' }).click();
  await expect(page).toHaveURL(/chart=connections/);
  await open(page, page.url());
  const values = page.getByRole('region', { name: 'Connections: values' });
  await expect(values.getByRole('columnheader', { name: 'From (UTC)' })).toBeVisible();
  await expect(values.locator('tbody tr').first()).toBeVisible();
  await expect(page.getByRole('slider')).toHaveCount(1);
  await page.getByRole('link', { name: 'all charts' }).click();
  await expect(chart(page, 'Transactions')).toBeVisible();
});

test('a chart lives by events while it is looked at, and asks nothing once nobody sees it', async ({ page }) => {
  const streams: string[] = [];
  let living = 0;
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.pathname !== '/events') return;
    streams.push(url.search);
    living += 1;
  });
  const over = (request: Request) => {
    if (new URL(request.url()).pathname === '/events') living -= 1;
  };
  page.on('requestfailed', over);
  page.on('requestfinished', over);
  await measured(page, `${history}?range=15m`);
  const figure = page.locator('figure').filter({ has: chart(page, 'Connections') });
  const words = figure.locator('figcaption');
  await expect(words).toContainText('Now');
  await expect(figure.locator('path.beat').first()).toBeAttached();
  expect(streams.at(-1)).toBe(`?pulse=${target}`);

  // A session that waits in its transaction comes and goes on the chart, and the page is never loaded again for it.
  await page.evaluate(() => Object.assign(window, { same: true }));
  const waiting = async () => Number(/idle in transaction\s*([\d.]+)/i.exec((await words.textContent()) ?? '')?.[1]);
  const before = await waiting();
  const holder = await Holder.begin('select 1');
  await expect.poll(waiting).toBeGreaterThan(before);
  await holder.release();
  await expect.poll(waiting).toBeLessThanOrEqual(before);
  expect(await page.evaluate(() => 'same' in window)).toBe(true);

  // A tab that is out of sight closes its stream at once, and opens it again when it is seen.
  const seen = async (state: string) => {
    await page.evaluate((value) => {
      Object.defineProperty(document, 'visibilityState', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  };
  await seen('hidden');
  await expect.poll(() => living).toBe(0);
  await expect(figure.locator('path.beat')).toHaveCount(0);
  await seen('visible');
  await expect.poll(() => living).toBe(1);
  await expect(words).toContainText('Now');
  expect(streams.at(-1)).toBe(`?pulse=${target}`);

  // Of a week no chart shows this second.
  await page.getByRole('navigation', { name: 'Range' }).getByRole('link', { name: '7d' }).click();
  await expect(figure.locator('path.beat')).toHaveCount(0);
  await expect.poll(() => streams.at(-1)).toBe('');
});

// Charts: read by keyboard and pointer, zoomed by dragging, as a table behind each, and all of it in the URL.
import { AxeBuilder } from '@axe-core/playwright';
import type { Locator, Page } from '@playwright/test';
import { target } from '../console';
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

// Backups that are taken by themselves: a schedule is made and runs, old ones are planned and go, a pinned one stays.
import type { Locator, Page } from '@playwright/test';
import { target } from '../console';
import { idle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

const schedule = `/db/${target}/backups/schedule`;
const backups = `/db/${target}/backups`;
const card = (page: Page, name: string): Locator =>
  page.locator('section.card').filter({ has: page.getByRole('heading', { level: 2, name, exact: true }) });
const rows = (page: Page): Locator => page.getByRole('region', { name: 'Stored backups' }).locator('tbody tr');
/** Longer than a minute and a backup take on a busy machine. */
const RUN = { timeout: 180_000 };

test('a schedule is made in words, seen with its next runs, runs, is paused and removed', async ({ page, listener }) => {
  test.setTimeout(420_000);
  // The preview of what is refused.
  listener.expect(/status of 422/);
  await open(page, backups);
  await page.getByRole('link', { name: 'Set a schedule' }).click();
  await expect(page).toHaveURL(schedule);
  const when = card(page, 'When');
  await expect(when).toContainText('No backups are taken by themselves yet.');
  await when.getByLabel('Back up').selectOption('week');
  await when.getByLabel('Monday').check();
  await when.getByLabel('Sunday').uncheck();
  await when.getByLabel('At', { exact: true }).fill('02:30');
  await when.getByLabel('Time zone').fill('Europe/Berlin');
  await expect(when).toContainText('every Monday at 02:30');
  await expect(when).toContainText('30 2 * * 1');
  await expect(when.getByText(/^Mon \d{4}-\d\d-\d\d 02:30 CES?T/)).toHaveCount(5);
  await when.getByLabel('Time zone').fill('Europe/Nowhere');
  await expect(when.getByRole('alert')).toContainText('is no time zone that is known here');

  // One that is due at once.
  await when.getByLabel('Time zone').fill('UTC');
  await when.getByLabel('Back up').selectOption('cron');
  await when.getByLabel('Cron', { exact: true }).fill('* * * * *');
  await when.getByRole('button', { name: 'Save schedule' }).click();
  await expect(when).toContainText('by the cron * * * * * (UTC)');
  const runs = page.getByRole('region', { name: 'Last runs' }).locator('tbody tr');
  await expect(async () => {
    await page.reload();
    await expect(runs.filter({ hasText: 'taken' }).first()).toBeVisible({ timeout: 3000 });
  }).toPass(RUN);
  await open(page, schedule);
  await when.getByRole('button', { name: 'Pause' }).click();
  await expect(when).toContainText(/Paused by/);
  await idle();
  await page.goto(backups);
  await expect(rows(page).filter({ hasText: 'pgsteward:schedule' }).first()).toBeVisible();
  await expect(page.getByRole('main')).toContainText('The schedule is paused: by the cron * * * * * (UTC)');

  await open(page, schedule);
  await when.getByRole('button', { name: 'Remove schedule…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove schedule' }).click();
  await expect(when).toContainText('No backups are taken by themselves yet.');
});

test('what would go is shown before it is saved, and a pinned one stays', async ({ page, listener }) => {
  listener.expect(/status of 422/);
  await open(page, backups);
  await expect(rows(page).first()).toBeVisible();
  const before = await rows(page).count();
  expect(before, 'the test before this one has taken one more').toBeGreaterThan(1);
  // Backups of chosen parts and archives from elsewhere are never removed by rules.
  const others = await rows(page).filter({ hasText: /are in this backup|Uploaded from elsewhere/ }).count();
  const last = rows(page).last();
  await last.getByRole('button', { name: /^Actions for the backup of/ }).click();
  await last.getByRole('button', { name: 'Pin', exact: true }).click();
  await expect(last.getByText('Pinned')).toBeVisible();
  const words = page.getByRole('dialog');
  await last.getByRole('button', { name: /^Actions for the backup of/ }).click();
  await last.getByRole('button', { name: 'Label and note…' }).click();
  await words.getByLabel('Label', { exact: true }).fill('x'.repeat(81));
  await words.getByRole('button', { name: 'Save' }).click();
  await expect(words.getByRole('alert')).toContainText('A label has at most 80 characters');
  await words.getByLabel('Label', { exact: true }).fill('before the move');
  await words.getByLabel('Note').fill('Ask Ada.\nThen delete.');
  await words.getByRole('button', { name: 'Save' }).click();
  await expect(words).toHaveCount(0);
  await expect(last).toContainText('before the move');
  await expect(last).toContainText('Then delete.');

  await open(page, schedule);
  const kept = card(page, 'Which are kept');
  const plan = page.getByRole('region', { name: 'What these rules would do now' }).locator('tbody tr');
  await expect(kept).toContainText('there is no rule, so every backup is kept');
  await kept.getByLabel('The last', { exact: true }).fill('1');
  await expect(plan.first()).toContainText('the newest; one of the last 1');
  await expect(plan.last()).toContainText('pinned');
  await expect(plan.filter({ hasText: 'no rule keeps it' })).toHaveCount(before - 2 - others);
  await kept.getByRole('button', { name: 'Save rules…' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('Nothing is removed by saving');
  await dialog.getByRole('button', { name: 'Save rules' }).click();
  await expect(kept).toContainText('Keeps the last 1 (UTC)');
  await kept.getByRole('button', { name: 'Remove now…' }).click();
  await dialog.getByRole('button', { name: 'Remove', exact: true }).click();
  await idle();
  await page.goto(backups);
  await expect(rows(page)).toHaveCount(2 + others);
  await expect(page.getByRole('main')).toContainText('keeps the last 1');
  await expect(rows(page).last().getByText('Pinned')).toBeVisible();

  // As it was, for whoever comes next.
  await open(page, schedule);
  await kept.getByLabel('The last', { exact: true }).fill('0');
  await kept.getByRole('button', { name: 'Save rules…' }).click();
  await dialog.getByRole('button', { name: 'Save rules' }).click();
  await expect(kept).toContainText('Keeps every backup');
  await page.goto(backups);
  await expect(rows(page)).toHaveCount(2 + others);
  await open(page, backups);
  await rows(page).last().getByRole('button', { name: /^Actions for the backup of/ }).click();
  await rows(page).last().getByRole('button', { name: 'Unpin', exact: true }).click();
  await expect(rows(page).last().getByText('Pinned')).toHaveCount(0);
});

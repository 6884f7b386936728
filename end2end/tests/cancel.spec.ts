// Cancelling a job from its page, while somebody else's lock keeps it from ending by itself.
import { target } from '../console';
import { Holder, settle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

test.beforeEach(settle);

test('a job that waits is cancelled from its page, and the console can work again', async ({ page }) => {
  const held = await Holder.begin('lock table ffe_goals in access exclusive mode');
  await open(page, `/db/${target}/optimize`);
  await page.getByRole('button', { name: 'Analyze only…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Analyze', exact: true }).click();
  await page.getByRole('region', { name: 'Job', exact: true }).getByRole('link', { name: 'Job and log' }).click();
  await expect(page.getByRole('heading', { level: 1, name: `Analyze ${target}` })).toBeVisible();
  const job = new URL(page.url()).pathname;
  const progress = page.getByRole('region', { name: 'Progress' });
  await expect(progress).toContainText(`for a lock held by pid ${held.pid} (end2end`);
  await expect(page.getByRole('list', { name: 'Log' })).toContainText('analyze');

  await page.getByRole('button', { name: 'Cancel job…' }).click();
  const dialog = page.getByRole('dialog', { name: `Cancel “Analyze ${target}”?` });
  await dialog.getByRole('button', { name: 'Let it run' }).click();
  await expect(progress).toContainText('waiting');
  await page.getByRole('button', { name: 'Cancel job…' }).click();
  await dialog.getByRole('button', { name: 'Cancel job' }).click();
  await expect(progress).toContainText('cancelled');
  await expect(page.getByRole('button', { name: /^Cancel/ })).toHaveCount(0);
  await held.release();

  await open(page, '/jobs?state=cancelled');
  await expect(page.locator('main tbody tr').filter({ has: page.locator(`a[href="${job}"]`) })).toContainText('Cancelled');
  await open(page, '/audit?type=job.cancel');
  await expect(page.getByRole('region', { name: 'Entries' }).locator('tbody tr').first()).toContainText(`Analyze ${target}`);
  await open(page, `/db/${target}/optimize`);
  await page.getByRole('button', { name: 'Analyze only…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Analyze', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Job', exact: true })).toContainText('succeeded');
});

// An import that is begun without JavaScript.
import { target } from '../console';
import { copy } from './imports';
import { expect, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR, javaScriptEnabled: false });

test('a file of the folder is imported by a plain form', async ({ page }) => {
  copy('plain.sqlite');
  await page.goto(`/db/${target}/import`);
  const files = page.getByRole('region', { name: 'Files on the server' });
  await files.getByRole('searchbox').fill('plain.sq');
  await files.getByRole('button', { name: 'Apply' }).click();
  await expect(page).toHaveURL(/[?&]f=plain\.sq/);
  await expect(files.getByRole('row').filter({ hasText: '.sqlite' })).toHaveCount(1);
  await files.getByRole('button', { name: 'Inspect plain.sqlite' }).click();
  await expect(page).toHaveURL(/\/import\/[0-9a-f-]{36}$/);
  await expect(page.getByRole('heading', { level: 1, name: 'plain.sqlite' })).toBeVisible();
  // The page shows what is true now; it is looked at again when the job has had its time.
  await expect(async () => {
    await page.reload();
    await expect(page.getByRole('region', { name: 'Tables' }).getByRole('link', { name: 'Album' })).toBeVisible({ timeout: 500 });
  }).toPass();
  await page.getByRole('link', { name: 'Album', exact: true }).click();
  await expect(page.getByRole('region', { name: 'Columns' })).toContainText('AlbumId');
  await expect(page.getByRole('button', { name: 'Rehearse' })).toBeHidden();
  await expect(page.getByRole('note')).toContainText('“Rehearse”');
});

// A token for deployments is made and revoked by click, and what it tells is on the charts.
import { AxeBuilder } from '@axe-core/playwright';
import { baseURL, target } from '../console';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

test('a token is shown once, tells of a deployment that charts show, and opens nothing once it is revoked', async ({ page, playwright, listener }) => {
  // A pipeline has no session.
  const pipeline = await playwright.request.newContext({ storageState: { cookies: [], origins: [] } });
  listener.expect(/make_deploy_token/);
  const name = `ci-${Date.now()}`;
  const version = `shop ${Date.now()}`;
  await open(page, '/settings');
  await page.getByRole('button', { name: 'Make token…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Make token' });
  await dialog.getByLabel('Name').fill('not a name!');
  await dialog.getByRole('button', { name: 'Make token' }).click();
  await expect(dialog.getByRole('alert')).toContainText('This cannot be a token');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Tells of').selectOption(target);
  await dialog.getByRole('button', { name: 'Make token' }).click();
  await expect(dialog).toContainText('It is shown only now');
  expect((await new AxeBuilder({ page }).analyze()).violations.map(({ id }) => id)).toEqual([]);
  const token = (await dialog.locator('[data-token]').innerText()).trim();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await expect(dialog).toBeHidden();
  const row = page.getByRole('region', { name: 'Tokens for deployments' }).getByRole('row').filter({ hasText: name });
  await expect(row).toContainText('never');
  await page.getByRole('button', { name: 'Make token…' }).click();
  await expect(dialog.locator('[data-token]')).toHaveCount(0);
  await page.keyboard.press('Escape');

  const tell = () => pipeline.post(`${baseURL}/hooks/deployment`, { headers: { authorization: `Bearer ${token}` }, data: { version } });
  expect((await tell()).status()).toBe(200);
  for (const path of [`/db/${target}/?range=15m`, `/db/${target}/history?range=15m`]) {
    await open(page, path);
    await expect(page.getByRole('region', { name: 'Meanwhile' })).toContainText(`Deployment ${version}`);
    await expect(page.locator('.mark.told').first()).toBeAttached();
  }

  await open(page, '/settings');
  await expect(row).not.toContainText('never');
  await row.getByRole('button', { name: `Revoke the token ${name}` }).click();
  await page.getByRole('dialog', { name: `Revoke the token ${name}?` }).getByRole('button', { name: 'Revoke token' }).click();
  await expect(row).toHaveCount(0);
  expect((await tell()).status()).toBe(401);
});

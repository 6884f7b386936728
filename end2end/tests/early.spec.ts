// Acts before the page can do them: the module that makes buttons work is kept back until something was pressed.
import type { Page } from '@playwright/test';
import { target } from '../console';
import { expect, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

const MODULES = /\/pkg\/.*\.wasm$/;

/** Opens a page whose modules do not come before what is returned was called. */
async function openWithoutModule(page: Page, path: string): Promise<() => void> {
  let release = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  await page.route(MODULES, async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(path, { waitUntil: 'domcontentloaded' });
  return release;
}

const csv = (page: Page) => page.getByRole('button', { name: /^CSV/ }).first();

test('a click is kept, says so, and is done once', async ({ page }) => {
  const release = await openWithoutModule(page, `/db/${target}/tables`);
  const saved: string[] = [];
  page.on('download', (download) => saved.push(download.suggestedFilename()));
  await expect(csv(page)).toBeEnabled();
  await csv(page).click();
  await csv(page).click();
  await expect(csv(page)).toHaveAttribute('aria-busy', 'true');
  expect(await csv(page).evaluate((button) => getComputedStyle(button, '::after').content)).toBe('"getting ready…"');
  expect(saved).toEqual([]);
  const download = page.waitForEvent('download');
  release();
  await download;
  await takenOver(page);
  await expect(csv(page)).not.toHaveAttribute('data-kept');
  // A second one would have come by the time that the page answers to another click.
  const next = page.waitForEvent('download');
  await csv(page).click();
  await next;
  expect(saved).toHaveLength(2);
});

test('of several clicks the last counts, and what destroys still asks', async ({ page }) => {
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const release = await openWithoutModule(page, `/db/${target}/backups`);
  await page.getByRole('button', { name: /^Actions for the backup of/ }).first().click();
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByRole('button', { name: /^Delete the backup of/ }).click();
  const dialog = page.getByRole('dialog', { name: /^Delete the backup of/ });
  await expect(dialog).toBeHidden();
  release();
  await expect(dialog).toBeVisible();
  await expect(dialog.getByRole('button', { name: 'Delete backup' })).toBeDisabled();
  expect(asked.filter((path) => /verify_backup|delete_backup/.test(path))).toEqual([]);
});

for (const key of ['Enter', 'Space']) {
  test(`a button that is pressed by ${key} is kept too`, async ({ page }) => {
    const release = await openWithoutModule(page, '/settings');
    const add = page.getByRole('button', { name: 'Add user…' });
    await add.focus();
    await page.keyboard.press(key);
    await expect(add).toHaveAttribute('aria-busy', 'true');
    release();
    await expect(page.getByRole('dialog', { name: 'Add user' })).toBeVisible();
  });
}

test('what is typed before is not lost', async ({ page }) => {
  const release = await openWithoutModule(page, `/db/${target}/tables`);
  await page.getByRole('searchbox').fill('goal');
  release();
  await expect(page).toHaveURL(/[?&]q=goal/);
  await expect(page.getByRole('searchbox')).toHaveValue('goal');
  await expect(page.locator('main tbody tr')).toHaveCount(1);
});

test('a module that does not come is answered in words, with a way out', async ({ page, listener }) => {
  listener.expect(/Failed to load resource/, /Failed to fetch/, /WebAssembly/);
  await page.route(MODULES, (route) => route.abort());
  await page.goto(`/db/${target}/backups`);
  await page.getByRole('button', { name: 'Back up', exact: true }).click();
  const words = page.getByRole('alert').filter({ hasText: 'was not done' });
  await expect(words).toContainText('“Back up” was not done: the program of this page did not arrive.');
  await expect(page.getByRole('button', { name: 'Back up', exact: true })).not.toHaveAttribute('aria-busy', 'true');
  await page.getByRole('button', { name: /^Actions for the backup of/ }).first().click();
  await page.getByRole('button', { name: 'Verify' }).click();
  await expect(words).toContainText('“Verify” was not done');
  await page.unroute(MODULES);
  await words.getByRole('link', { name: 'Reload the page' }).click();
  await takenOver(page);
  await expect(words).toHaveCount(0);
});

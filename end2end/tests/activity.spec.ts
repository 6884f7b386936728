// Who holds others up is seen on the page Activity as it happens, and ended there.
import { target } from '../console';
import { Holder, settle } from './database';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

test.beforeEach(settle);

test('the first cause of a wait is seen, ended by click, and seen gone', async ({ page }) => {
  await open(page, `/db/${target}/activity?q=end2end`);
  const tree = page.getByRole('list', { name: 'Who holds up whom' });
  await expect(tree).toBeHidden();
  const search = page.getByRole('searchbox', { name: 'Filter sessions…' });
  await search.focus();

  // It comes by itself, and takes the focus from nobody.
  const held = await Holder.begin('lock table ffe_goals in access exclusive mode');
  const waiting = Holder.begin('select 1 from ffe_goals limit 0');
  await expect(tree).toContainText(`pid ${held.pid} (end2end`);
  await expect(tree).toContainText('table public.ffe_goals');
  await expect(page.getByRole('main').getByText('1 session waits')).toBeVisible();
  await expect(search).toBeFocused();

  const root = tree.getByRole('listitem').first();
  await root.getByRole('button', { name: `Terminate… pid ${held.pid}` }).click();
  const dialog = page.getByRole('dialog', { name: `Terminate pid ${held.pid}?` });
  await expect(dialog).toContainText('rolls its transaction back');
  await dialog.getByRole('button', { name: 'Let it be' }).click();
  await root.getByRole('button', { name: `Terminate… pid ${held.pid}` }).click();
  await dialog.getByRole('button', { name: 'Terminate session' }).click();
  await expect(page.getByText('The session is ended')).toBeVisible();
  await expect(tree).toBeHidden();
  await expect(page.getByRole('main').getByText('Nobody waits for a lock')).toBeVisible();
  await (await waiting).release();

  await open(page, '/audit?type=activity.terminate');
  const entries = page.getByRole('region', { name: 'Entries' }).locator('tbody tr');
  await expect(entries.first()).toContainText(`pid ${held.pid}`);
  await expect(entries.first()).toContainText('The session is ended');
});

test('a refresh that fails leaves what is known, with its age and the reason, and a hidden tab asks for nothing', async ({ page, listener }) => {
  let asked = 0;
  let away = false;
  await page.route('**/rpc/view_activity', async (route) => {
    asked += 1;
    if (away) await route.abort('connectionfailed');
    else await route.continue();
  });
  listener.expect(/view_activity|ERR_CONNECTION/);
  await page.clock.install();
  await open(page, `/db/${target}/activity`);
  const sessions = page.getByRole('region', { name: 'Sessions' });
  await expect(sessions.locator('tbody tr').first()).toBeVisible();
  await expect.poll(() => asked).toBeGreaterThan(0);
  const shown = await sessions.locator('tbody tr').count();

  away = true;
  const strip = page.getByRole('main').getByRole('status').filter({ hasText: 'Not up to date' });
  await expect(strip).toContainText('What is shown came');
  await expect(strip).toContainText('The console cannot be reached.');
  expect(await sessions.locator('tbody tr').count()).toBe(shown);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Activity');
  // Another question has no answer yet: the old one would be none to it.
  await page.getByRole('link', { name: 'All databases' }).click();
  await expect(sessions).toBeHidden();
  await expect(page.getByRole('main').getByRole('alert')).toContainText('The console cannot be reached');

  away = false;
  await expect(sessions.locator('tbody tr').first()).toBeVisible();
  await expect(strip).toBeHidden();

  await page.evaluate(() => Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }));
  // What was asked before that has gone through by the time a later request has.
  await page.evaluate(() => fetch('/healthz'));
  const before = asked;
  await page.clock.runFor(60_000);
  await page.evaluate(() => fetch('/healthz'));
  expect(asked).toBe(before);
  await page.evaluate(() => Reflect.deleteProperty(document, 'visibilityState'));
  await expect.poll(() => asked).toBeGreaterThan(before);
  await page.unrouteAll({ behavior: 'wait' });
});

test('an act is copied as the command that does it', async ({ page }) => {
  const held = await Holder.begin('select 1 from ffe_goals limit 0');
  await open(page, `/db/${target}/activity?q=end2end`);
  const row = page.getByRole('region', { name: 'Sessions' }).getByRole('row').filter({ hasText: String(held.pid) });
  await row.getByRole('button', { name: `Terminate… pid ${held.pid}` }).click();
  const copy = page.getByRole('dialog').getByRole('button', { name: 'Copy as command' });
  await expect(copy).toHaveAttribute('title', `pgsteward activity terminate ${held.pid} --target ${target}`);
  await page.getByRole('dialog').getByRole('button', { name: 'Let it be' }).click();
  await held.release();
});

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

// Users: what an administrator does with them, what a viewer sees, and what is refused whatever the page shows.
import type { Browser, Page } from '@playwright/test';
import { baseURL, target } from '../console';
import { WELL } from './pages';
import { expect, open, takenOver, test, type Listener } from './quiet';
import { ADMINISTRATOR, signIn } from './session';

const FIRST = 'a sentence nobody guesses';
const CHOSEN = 'one that she chose herself';
const SECOND = 'another one nobody guesses';
const OWN = 'and this one is my own';

/** What changes or takes something. Links without the dots lead to jobs of the past. */
const BUTTONS = /^(Migrate|Optimize|Analyze|Back up|Create|Apply up|Delete|Verify|Cancel)/;
const LINKS = /…$|^Download/;

/** The viewer: another one for a second attempt. */
const viewer = () => (test.info().retry === 0 ? 'vera' : 'nora');

test.describe.configure({ mode: 'serial' });
test.use({ storageState: ADMINISTRATOR });

/** A page of a browser in which nobody is logged in. */
async function stranger(browser: Browser, listener: Listener): Promise<Page> {
  const context = await browser.newContext({ baseURL, storageState: undefined });
  await listener.listen(context);
  return context.newPage();
}

const rowOf = (page: Page, name: string) => page.getByRole('region', { name: 'Users' }).getByRole('row').filter({ hasText: name });

/** The answer to what a page is about to send to a server function. */
const answerOf = (page: Page, name: string) => page.waitForResponse((answer) => new URL(answer.url()).pathname === `/rpc/${name}`);

test('an administrator adds a viewer', async ({ page, listener }) => {
  listener.expect(/status of 422.*add_user/);
  await open(page, '/settings');
  await page.getByRole('button', { name: 'Add user…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add user' });
  await dialog.getByLabel('Name').fill(viewer());
  await dialog.getByLabel('First password').fill('password');
  await dialog.getByRole('button', { name: 'Add user' }).click();
  await expect(dialog.getByLabel('First password')).toHaveAttribute('aria-invalid', 'true');
  await dialog.getByLabel('First password').fill(FIRST);
  await dialog.getByRole('button', { name: 'Add user' }).click();
  await expect(dialog).toBeHidden();
  await expect(rowOf(page, viewer()).getByRole('cell', { name: 'viewer', exact: true })).toBeVisible();
});

test('a viewer sees all and is offered no act, and is refused the acts all the same', async ({ browser, listener }) => {
  const page = await stranger(browser, listener);
  await page.goto('/settings');
  await signIn(page, viewer(), 'not her password');
  await expect(page.getByRole('alert')).toHaveText('The name or the password is wrong, or the user is disabled.');
  await expect(page).toHaveURL(/\/login\?refused=unauthenticated&next=%2Fsettings$/);
  // The first password is known to whoever gave it: it opens the settings alone.
  await signIn(page, viewer(), FIRST);
  await expect(page).toHaveURL('/settings');
  await page.goto('/jobs');
  await expect(page).toHaveURL('/settings?next=%2Fjobs');
  await page.getByLabel('Current password').fill(FIRST);
  await page.getByLabel('New password', { exact: true }).fill(CHOSEN);
  await page.getByLabel('New password again').fill(CHOSEN);
  await page.getByRole('button', { name: 'Change password' }).click();
  // Where one wanted to go is not forgotten.
  await expect(page).toHaveURL('/jobs');
  await open(page, '/settings');
  await expect(page.getByRole('heading', { name: 'Users' })).toHaveCount(0);
  const all: [string, string | RegExp][] = [
    ['', WELL], ['migrations', 'Up to date'], ['optimize', 'All there'], ['backups', 'Read back whole'], ['tables', 'ari_snapshots'], ['queries', 'ari_snapshots'],
  ];
  for (const [path, shows] of all) {
    await open(page, `/db/${target}/${path}`);
    await expect(page.getByRole('main')).toContainText(shows);
    await expect(page.getByRole('main').getByRole('button', { name: BUTTONS })).toHaveCount(0);
    await expect(page.getByRole('main').getByRole('link', { name: LINKS })).toHaveCount(0);
  }
  // Asked for from the page itself, as its own code would.
  listener.expect(/status of 403/);
  const refusal = await page.evaluate(async (target) => {
    const answer = await fetch('/rpc/start_backup', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ spec: { target } }),
    });
    return { status: answer.status, fault: await answer.json() };
  }, target);
  expect(refusal).toMatchObject({ status: 403, fault: { code: 'forbidden', message: expect.stringContaining('viewer') } });
  await page.context().close();
});

test('a new role, a new password and a closed door take effect at once', async ({ page, browser, listener }) => {
  const theirs = await stranger(browser, listener);
  // Their streams and pages are refused as soon as their sessions end.
  listener.expect(/status of 401/);
  await theirs.goto('/jobs');
  await signIn(theirs, viewer(), CHOSEN);
  await takenOver(theirs);

  await open(page, '/settings');
  const acts = rowOf(page, viewer()).getByRole('button', { name: `Actions for ${viewer()}` });
  await acts.click();
  await page.getByRole('button', { name: 'Change role…' }).click();
  const role = page.getByRole('dialog', { name: `Role of ${viewer()}` });
  await expect(role.getByRole('button', { name: 'Change role' })).toBeDisabled();
  await role.getByLabel('Role').selectOption('operator');
  await expect(rowOf(page, viewer()).getByRole('cell', { name: 'viewer', exact: true })).toBeVisible();
  const changed = answerOf(page, 'change_user');
  await role.getByRole('button', { name: 'Change role' }).click();
  expect((await changed).status()).toBe(200);
  await expect(role).toBeHidden();
  await expect(acts).toBeFocused();
  await expect(rowOf(page, viewer()).getByRole('cell', { name: 'operator', exact: true })).toBeVisible();
  await acts.click();
  await page.getByRole('button', { name: 'New password…' }).click();
  const asks = page.getByRole('dialog', { name: `New password for ${viewer()}` });
  await asks.getByLabel('New password').fill(SECOND);
  await asks.getByRole('button', { name: 'Set password' }).click();
  await expect(asks).toBeHidden();
  await expect(rowOf(page, viewer())).toContainText('Must change password');

  await theirs.goto(`/db/${target}/backups`);
  await expect(theirs).toHaveURL(/\/login/);
  await signIn(theirs, viewer(), SECOND);
  await expect(theirs).toHaveURL(/\/settings\?next=%2Fdb%2F[^&]+%2Fbackups$/);
  await expect(theirs.getByRole('main').getByText('Choose a password of your own')).toBeVisible();
  await takenOver(theirs);
  const passwords = theirs.getByRole('main').locator('section').filter({ has: theirs.getByRole('heading', { name: 'Your password' }) });
  await theirs.getByLabel('Current password').fill(SECOND);
  await theirs.getByLabel('New password', { exact: true }).fill(OWN);
  await theirs.getByLabel('New password again').fill(`${OWN}!`);
  await theirs.getByRole('button', { name: 'Change password' }).click();
  await expect(passwords.getByText('The two are not the same.')).toBeVisible();
  await theirs.getByLabel('New password again').fill(OWN);
  await theirs.getByRole('button', { name: 'Change password' }).click();
  await expect(theirs).toHaveURL(`/db/${target}/backups`);
  await open(theirs, `/db/${target}/backups`);
  await expect(theirs.getByRole('button', { name: 'Back up' })).toBeVisible();
  await expect(theirs.getByRole('button', { name: /^Delete/ })).toHaveCount(0);

  await acts.click();
  await page.getByRole('button', { name: 'Disable…' }).click();
  const dialog = page.getByRole('dialog', { name: `Disable ${viewer()}?` });
  await dialog.getByRole('textbox').fill(viewer());
  await dialog.getByRole('button', { name: 'Disable' }).click();
  await expect(rowOf(page, viewer())).toContainText('Disabled');
  // The page that is open leads away by itself: its stream has ended.
  await expect(theirs).toHaveURL(/\/login/);
  await signIn(theirs, viewer(), OWN);
  await expect(theirs.getByRole('alert')).toHaveText('The name or the password is wrong, or the user is disabled.');
  await theirs.context().close();
});

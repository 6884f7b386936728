// What a page can do without JavaScript: log in and out, filter, sort, and refuse in words.
import { admin, target } from '../console';
import { expect, test } from './quiet';
import { ADMINISTRATOR, signIn } from './session';

test('logging in and out is a plain form', async ({ page }) => {
  await page.goto(`/db/${target}/tables?sort=name&dir=asc`);
  await signIn(page, admin.name, 'not the password');
  await expect(page.getByRole('alert')).toHaveText('The name or the password is wrong, or the user is disabled.');
  await signIn(page, admin.name, admin.password);
  await expect(page).toHaveURL(`/db/${target}/tables?sort=name&dir=asc`);
  await page.getByRole('button', { name: `${admin.name}, administrator` }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL('/login');
  await page.goto(`/db/${target}/tables`);
  await expect(page).toHaveURL(/\/login/);
});

test.describe('logged in', () => {
  test.use({ storageState: ADMINISTRATOR });

  test('lists are filtered by forms and sorted by links', async ({ page }) => {
    await page.goto(`/db/${target}/tables`);
    const rows = page.locator('main tbody tr');
    await page.getByRole('columnheader', { name: 'Table', exact: true }).getByRole('link').click();
    await expect(rows.first()).toContainText('ari_snapshots');
    await page.getByRole('searchbox').fill('goal');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(rows).toHaveCount(1);
    await expect(page).toHaveURL(/sort=name/);
    await page.goto('/audit');
    await page.getByLabel('Act', { exact: true }).selectOption('migration.apply');
    await page.getByLabel('When').selectOption('7d');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(rows.first()).toContainText('Apply migrations');
    await expect(rows.filter({ hasNotText: 'Apply migrations' })).toHaveCount(0);
    await page.getByLabel('When').selectOption('between');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByLabel('until').fill('2001-01-01T00:00');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(page.getByRole('main')).toContainText('No entry fits these filters.');
    await page.goto('/jobs');
    await page.getByLabel('Kind').selectOption('backup');
    await page.getByRole('button', { name: 'Apply' }).click();
    await expect(page).toHaveURL(/kind=backup/);
    await expect(rows.first()).toContainText(`Back up ${target}`);
  });

  test('a page names the acts that need JavaScript, and only those that are there', async ({ page }) => {
    const note = page.getByRole('note');
    for (const [path, names] of [
      ['backups', ['CSV', 'Back up', 'Verify', 'Delete…']],
      ['optimize', ['Analyze only…', 'Create indexes only…', 'Optimize…']],
      ['tables', ['CSV']],
    ] as const) {
      await page.goto(`/db/${target}/${path}`);
      for (const name of names) await expect(note).toContainText(`“${name}”`);
    }
    await expect(note).not.toContainText('“Back up”');
    await page.goto(`/db/${target}/backups`);
    await expect(page.getByRole('button', { name: 'Back up', exact: true })).toBeHidden();
    // A menu is the browser's own, and offers what works.
    await page.getByRole('button', { name: /^Actions for the backup of/ }).click();
    await expect(page.getByRole('link', { name: 'Download', exact: true })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Verify' })).toBeHidden();
    await page.keyboard.press('Escape');
    await expect(page.getByRole('link', { name: 'Download', exact: true })).toBeHidden();
  });

  test('a password that is refused is refused in words', async ({ page }) => {
    await page.goto('/settings');
    await page.getByLabel('Current password').fill(admin.password);
    await page.getByLabel('New password', { exact: true }).fill('one of eight letters');
    await page.getByLabel('New password again').fill('another of as many');
    await page.getByRole('button', { name: 'Change password' }).click();
    await expect(page).toHaveURL(/\/settings\?refused=again$/);
    // What leads elsewhere is not kept.
    await page.goto('/settings?next=%2F.%2F%2Fevil.example');
    await expect(page.locator('input[name=next]')).toHaveValue('/');
    await page.goto('/settings?next=%2Fjobs%3Fstate%3Dfailed');
    await page.getByLabel('Current password').fill(admin.password);
    await page.getByLabel('New password', { exact: true }).fill('one of eight letters');
    await page.getByLabel('New password again').fill('another of as many');
    await page.getByRole('button', { name: 'Change password' }).click();
    await expect(page).toHaveURL('/settings?refused=again&next=%2Fjobs%3Fstate%3Dfailed');
    await expect(page.locator('form').filter({ has: page.getByLabel('Current password') }).getByText('The two are not the same.')).toBeVisible();
  });
});

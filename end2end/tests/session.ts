// Logging in. Tests share the session that the chain leaves, since log-ins are few in a minute.
import type { Page } from '@playwright/test';
import { join } from 'node:path';
import { folder } from '../console';

/** The administrator's session, as the chain leaves it. */
export const ADMINISTRATOR = join(folder, 'administrator.json');

/** Fills in the form of the page shown, and sends it. */
export async function signIn(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

// What browser tests of imports have in common.
import type { Locator, Page } from '@playwright/test';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { importFolder, target } from '../console';
import { execute } from './database';
import { expect, open } from './quiet';

/** A card by its name. */
export const part = (page: Page, name: string): Locator => page.getByRole('region', { name, exact: true });
/** Chooses an option of the import. */
export const choose = (page: Page, label: string, words: string) => part(page, 'Decide').getByLabel(label).selectOption({ label: words });

/** Makes each key and index take a moment once there are rows, so that a small import is sure to be seen in its midst. */
export function slowDown(schema: string, seconds: number): void {
  execute(`
    create function end2end_slow() returns event_trigger language plpgsql as $$
      declare rows boolean := false;
      begin
        if to_regclass('${schema}."Genre"') is not null then execute 'select exists (select from ${schema}."Genre")' into rows; end if;
        if rows then perform pg_sleep(${seconds}); end if;
      end $$;
    create event trigger end2end_slow on ddl_command_end when tag in ('ALTER TABLE', 'CREATE INDEX') execute function end2end_slow();
  `);
}

/** Ends that. */
export const fast = () => execute('drop event trigger if exists end2end_slow; drop function if exists end2end_slow');

/** A copy of the sample in the folder of the server. */
export function copy(name: string): string {
  const file = join(importFolder, name);
  copyFileSync(join(importFolder, 'chinook.sqlite'), file);
  return file;
}

/** Inspects a file of the folder, and rehearses its import into a schema. */
export async function rehearse(page: Page, file: string, schema: string): Promise<void> {
  await open(page, `/db/${target}/import`);
  await page.getByRole('button', { name: `Inspect ${file}` }).click();
  await expect(part(page, 'Tables').getByRole('link', { name: 'Album' })).toBeVisible();
  await part(page, 'Decide').getByLabel('Schema').fill(schema);
}

/** Presses the button that starts, and the one of its question. */
export async function start(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Rehearse' }).click();
  await page.getByRole('button', { name: /^Import 15,607 rows/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Import', exact: true }).click();
}

/** Cancels the load once rows are on their way. */
export async function cancelInItsMidst(page: Page): Promise<void> {
  await expect(part(page, 'Job').locator('.step')).not.toHaveCount(0);
  await part(page, 'Job').getByRole('button', { name: 'Cancel job…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel job' }).click();
}

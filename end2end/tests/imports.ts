// What browser tests of imports have in common.
import type { Locator, Page } from '@playwright/test';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { importFolder, target } from '../console';
import { execute, Holder, settle } from './database';
import { expect, open } from './quiet';

/** A card by its name. */
export const part = (page: Page, name: string): Locator => page.getByRole('region', { name, exact: true });
/** Chooses an option of the import. */
export const choose = (page: Page, label: string, words: string) => part(page, 'Decide').getByLabel(label).selectOption({ label: words });

/** What who holds a load up and the load itself agree on. */
const KEY = 4_711;

/**
 * Holds a load up once it has rows, at its next key or index, until the holder lets go: so even a small import is sure to be
 * seen in its midst. It asks again and again instead of waiting for the lock, for which jobs have no patience.
 */
export async function holdUp(schema: string): Promise<Holder> {
  letPass();
  execute(`
    create function end2end_hold() returns event_trigger language plpgsql as $$
      declare rows boolean := false;
      begin
        if to_regclass('${schema}."Genre"') is not null then execute 'select exists (select from ${schema}."Genre")' into rows; end if;
        while rows and not pg_try_advisory_xact_lock_shared(${KEY}) loop perform pg_sleep(0.05); end loop;
      end $$;
    create event trigger end2end_hold on ddl_command_end when tag in ('ALTER TABLE', 'CREATE INDEX') execute function end2end_hold();
  `);
  return Holder.begin(`do $$ begin perform pg_advisory_xact_lock(${KEY}); end $$`);
}

/** Nothing holds up a load any more. */
export const letPass = () => execute('drop event trigger if exists end2end_hold; drop function if exists end2end_hold');

/** Removes what imports made, when none is on its way any more. */
export async function dropSchemas(...schemas: string[]): Promise<void> {
  await settle();
  letPass();
  for (const schema of schemas) execute(`drop schema if exists ${schema} cascade`);
}

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

// The frontend in parts: each area's code comes with its first page, and what is told when it does not come.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from '@playwright/test';
import { target } from '../console';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

interface Assets { js: string; link: string; wasm: string; css: string; parts: Record<string, string[]> }
const assets = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../target/site/assets.json'), 'utf8')) as Assets;

/** The navigation's links, with the area whose part they need. */
const LINKS = [
  ['Overview', 'overview', `/db/${target}/`], ['Charts', 'history', `/db/${target}/history`], ['Tables', 'stats', `/db/${target}/tables`],
  ['Queries', 'query', `/db/${target}/queries`], ['Activity', 'activity', `/db/${target}/activity`], ['Explain', 'explain', `/db/${target}/explain`], ['Migrations', 'migration', `/db/${target}/migrations`], ['Optimize', 'optimize', `/db/${target}/optimize`],
  ['Import', 'imports', `/db/${target}/import`], ['Backups', 'backup', `/db/${target}/backups`], ['Audit', 'audit', '/audit'],
  ['Jobs', 'jobs', '/jobs'], ['Settings', 'settings', '/settings'],
] as const;

/** The files of the WebAssembly and the documents that the page asks for from now on. */
function listen(page: Page): { files: string[]; documents: string[] } {
  const asked = { files: [] as string[], documents: [] as string[] };
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.endsWith('.wasm')) asked.files.push(pathname.replace('/pkg/', ''));
    if (request.isNavigationRequest()) asked.documents.push(pathname);
  });
  return asked;
}

/** The cards of a page that are parts of their own. */
const CARDS: Record<string, string[]> = { overview: ['charts'], history: ['charts'] };
const filesOf = (area: string): string[] =>
  [...new Set([area, ...(CARDS[area] ?? [])].flatMap((part) => assets.parts[part] ?? []))];
const own = (area: string): string => assets.parts[area]?.at(-1) ?? '';
const link = (page: Page, name: string) => page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name, exact: false });
const here = (page: Page, path: string) => expect(page).toHaveURL(path);

/** Waits until the page of an area is shown, which its own part alone can do. */
async function shown(page: Page, name: string): Promise<void> {
  const heading = name === 'Overview' ? target : name;
  await expect(page.getByRole('main').getByRole('heading', { level: 1 })).toHaveText(new RegExp(`^${heading}`));
}

/** Lets a file of the WebAssembly not come: `no line` fails it, `gone` is what an updated console answers. */
async function withhold(page: Page, area: string, how: 'no line' | 'gone'): Promise<void> {
  await page.route(`**/pkg/${own(area)}`, (route) =>
    how === 'gone' ? route.fulfill({ status: 404, contentType: 'application/json', body: '{}' }) : route.abort());
}

test.describe('with a session', () => {
  test.use({ storageState: ADMINISTRATOR });

  test('a first visit loads the main part and those of its area, each once, and no other', async ({ page }) => {
    for (const [name, area, path] of LINKS) {
      const asked = listen(page);
      await open(page, path);
      await shown(page, name);
      await expect.poll(() => asked.files.toSorted(), name).toEqual([assets.wasm, ...filesOf(area)].toSorted());
      page.removeAllListeners('request');
    }
  });

  test('a click loads what its area still needs, once, and no document; back and forward load nothing', async ({ page }) => {
    await open(page, '/');
    const asked = listen(page);
    const there = new Set([assets.wasm, ...filesOf('fleet')]);
    for (const [name, area, path] of LINKS) {
      await link(page, name).click();
      await here(page, path);
      await shown(page, name);
      const fresh = filesOf(area).filter((file) => !there.has(file));
      await expect.poll(() => asked.files.toSorted(), name).toEqual(fresh.toSorted());
      for (const file of fresh) there.add(file);
      asked.files.length = 0;
    }
    for (const [name, , path] of LINKS.toReversed().slice(1)) {
      await page.goBack();
      await here(page, path);
      await shown(page, name);
    }
    for (const [name, , path] of LINKS.slice(1)) {
      await page.goForward();
      await here(page, path);
      await shown(page, name);
    }
    // Not the first one first: the router writes no address after going forward to where it remembers to be.
    for (const [name, , path] of LINKS.toReversed()) {
      await link(page, name).click();
      await here(page, path);
      await shown(page, name);
    }
    expect(asked).toEqual({ files: [], documents: [] });
  });

  test('the pointer on a link and the focus on it fetch the part before the click', async ({ page }) => {
    await open(page, '/jobs');
    const asked = listen(page);
    const came = async (area: string) => {
      await expect.poll(() => asked.files).toContain(own(area));
    };
    await link(page, 'Audit').hover();
    await came('audit');
    await link(page, 'Settings').focus();
    await came('settings');
    await shown(page, 'Jobs');
    // Again, and nothing is asked for again.
    asked.files.length = 0;
    await link(page, 'Audit').hover();
    await link(page, 'Audit').click();
    await shown(page, 'Audit');
    expect(asked).toEqual({ files: [], documents: [] });
  });

  for (const how of ['no line', 'gone'] as const) {
    test(`a first visit whose part does not come (${how}) can be read, says so, and its links work`, async ({ page, listener }) => {
      listener.expect(/Failed to load resource/, /on .*\/jobs.*(TypeError|SplitLoaderError|failed to load split module|CompileError)/i);
      await withhold(page, 'jobs', how);
      const asked = listen(page);
      await page.goto('/jobs');
      const words = page.getByRole('alert').filter({ hasText: 'a part of it did not come' });
      await expect(words).toBeVisible();
      await expect(page.getByRole('main')).toContainText(`Migrate ${target}`);
      await expect(page.locator('html[data-ready]')).toHaveCount(0);
      // Nothing is loaded again by itself.
      expect(asked.documents).toEqual(['/jobs']);

      await link(page, 'Audit').click();
      await takenOver(page);
      await shown(page, 'Audit');
      await expect(words).toBeHidden();
      await page.goto('/jobs');
      await expect(words).toBeVisible();
      await page.unrouteAll();
      await words.getByRole('link', { name: 'Load it again' }).click();
      await takenOver(page);
      await here(page, '/jobs');
      await expect(words).toBeHidden();
    });

    test(`a click whose part does not come (${how}) says so, and the page can be loaded again`, async ({ page, listener }) => {
      listener.expect(/Failed to load resource/, /error on .*(TypeError|CompileError)/);
      await open(page, '/');
      await withhold(page, 'jobs', how);
      const asked = listen(page);
      await link(page, 'Jobs').click();
      await here(page, '/jobs');
      await expect(page.getByRole('heading', { level: 1, name: 'This page did not come' })).toBeVisible();
      await expect(page.getByRole('main').getByRole('alert')).toContainText('updated meanwhile');

      // The rest of the console works on, and the next click tries again.
      await link(page, 'Audit').click();
      await shown(page, 'Audit');
      expect(asked.documents).toEqual([]);
      await link(page, 'Jobs').click();
      const again = page.getByRole('link', { name: 'Load it again' });
      await expect(again).toHaveAttribute('href', '/jobs');
      await page.unrouteAll();
      await again.click();
      await takenOver(page);
      await here(page, '/jobs');
      await shown(page, 'Jobs');
      expect(asked.documents).toEqual(['/jobs']);
    });

    test(`a part that did not come (${how}) comes with the next click once it can`, async ({ page, listener }) => {
      listener.expect(/Failed to load resource/, /error on .*(TypeError|CompileError)/);
      await open(page, '/');
      await withhold(page, 'audit', how);
      await link(page, 'Audit').click();
      await expect(page.getByRole('heading', { level: 1, name: 'This page did not come' })).toBeVisible();
      await page.unrouteAll();
      const asked = listen(page);
      await link(page, 'Settings').click();
      await shown(page, 'Settings');
      await link(page, 'Audit').click();
      await shown(page, 'Audit');
      expect(asked.documents).toEqual([]);
    });
  }

  test('a page without its main part can be read and says that its buttons do not work', async ({ page, listener }) => {
    listener.expect(/Failed to load resource/, /(error|uncaught) on .*TypeError/);
    await page.route(`**/pkg/${assets.wasm}`, (route) => route.abort());
    await page.goto('/audit');
    await expect(page.getByRole('alert').filter({ hasText: 'its buttons do not work' })).toBeVisible();
    await expect(page.getByRole('main')).toContainText('Apply migrations');
  });
});

test('the log-in page loads little, and the console answers for a file that is no more as for one that never was', async ({ page }) => {
  const asked = listen(page);
  await open(page, '/login');
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
  expect(asked.files.toSorted()).toEqual([assets.wasm, ...filesOf('login')].toSorted());
  const gone = await page.request.get('/pkg/jobs.0123456789abcdef.wasm');
  expect(gone.status()).toBe(404);
  expect(gone.headers()['content-type']).toContain('application/json');
});

// Every page is for everyone: axe finds nothing in either theme, and the Tab key shows where it is.
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { target } from '../console';
import { PAGES, visit } from './pages';
import { expect, open, takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const LONGEST_WAY = 300;

for (const shown of PAGES) {
  test.describe(shown.name, () => {
    test.use({ storageState: shown.stranger ? undefined : ADMINISTRATOR, viewport: { width: 1440, height: 900 } });

    test('is for everyone, in both themes and by keyboard', async ({ page, listener }) => {
      if (shown.status === 404) listener.expect(/status of 404/);
      await page.emulateMedia({ reducedMotion: 'reduce' });
      await visit(page, shown);
      await takenOver(page);
      await axeFindsNothing(page);
      if (!shown.stranger) await skipLinkLeadsToTheContent(page);
      await tabShowsWhereItIs(page);
    });
  });
}

test.describe('what opens over a page', () => {
  test.use({ storageState: ADMINISTRATOR });

  test('is for everyone too', async ({ page }) => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await open(page, `/db/${target}/backups`);
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('dialog', { name: 'Go to' })).toBeVisible();
    await axeFindsNothing(page);
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
    await axeFindsNothing(page);
    await page.keyboard.press('Escape');
    const acts = page.getByRole('button', { name: /^Actions for the backup of/ });
    await acts.click();
    await page.getByRole('button', { name: /^Delete the backup of/ }).click();
    await expect(page.getByRole('dialog', { name: /^Delete the backup of/ })).toBeVisible();
    await axeFindsNothing(page);
    await page.keyboard.press('Escape');
    await expect(acts).toBeFocused();
    for (const menu of await page.locator('.menu-list').all()) {
      const id = await menu.getAttribute('id');
      await page.locator(`[popovertarget="${id}"]`).click();
      await expect(menu).toBeVisible();
      // What lies below an open menu is out of reach until it is closed, and was looked at before.
      await axeFindsNothing(page, `[id="${id}"]`);
      await page.keyboard.press('Escape');
      await expect(menu).toBeHidden();
    }
  });

  test('includes the drawer of a narrow screen', async ({ page }) => {
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await page.setViewportSize({ width: 390, height: 844 });
    await open(page, `/db/${target}/`);
    const tables = page.getByRole('navigation', { name: 'Areas' }).getByRole('link', { name: 'Tables' });
    await expect(tables).toBeHidden();
    await page.getByRole('button', { name: 'Menu' }).click();
    await expect(tables).toBeVisible();
    await axeFindsNothing(page);
    await tables.click();
    await expect(page.getByRole('heading', { level: 1, name: 'Tables' })).toBeVisible();
    await expect(tables).toBeHidden();
  });
});

async function axeFindsNothing(page: Page, within = 'body'): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).include(within).withTags(RULES).analyze();
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`));
    expect(found, `in ${colorScheme}`).toEqual([]);
  }
}

async function skipLinkLeadsToTheContent(page: Page): Promise<void> {
  const link = page.getByRole('link', { name: 'Skip to content' });
  await page.keyboard.press('Tab');
  await expect(link).toBeFocused();
  await expect(link).toBeInViewport();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
}

/** From where the focus is, through everything behind it. */
async function tabShowsWhereItIs(page: Page): Promise<void> {
  for (let stop = 0; stop < LONGEST_WAY; stop += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      // A part that the browser itself makes, such as the calendar of a date, has a ring of the browser's own.
      const isPart = !element.matches(':focus');
      const box = element.getBoundingClientRect();
      return {
        html: element.outerHTML.slice(0, 200),
        ring: isPart || (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1),
        inView: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
      };
    });
    if (focused === null) return;
    expect(focused, focused.html).toMatchObject({ ring: true, inView: true });
  }
  throw new Error(`more than ${LONGEST_WAY} stops`);
}

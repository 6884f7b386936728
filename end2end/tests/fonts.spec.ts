// The console's fonts are its own: what a page shows is set in the files that it sends, and they are small.
import { target } from '../console';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

test('text and code are set in the fonts that the console sends', async ({ page }) => {
  const sizes = new Map<string, number>();
  page.on('response', async (response) => {
    const name = new URL(response.url()).pathname;
    if (!name.endsWith('.woff2')) return;
    expect(response.headers()).toMatchObject({ 'content-type': 'font/woff2', 'cache-control': expect.stringContaining('immutable') });
    expect(response.headers()['content-encoding']).toBeUndefined();
    sizes.set(name, Number(response.headers()['content-length']));
  });
  await open(page, `/db/${target}/migrations`);
  await page.evaluate(() => document.fonts.ready);
  const loaded = await page.evaluate(() => [...document.fonts].map((font) => `${font.family.replaceAll('"', '')} ${font.status}`));
  expect(loaded.sort()).toEqual(['Inter loaded', 'JetBrains Mono loaded']);
  const family = (selector: string) => page.evaluate((of) => getComputedStyle(document.querySelector(of) ?? document.body).fontFamily, selector);
  expect(await family('body')).toMatch(/^"?Inter"?,/);
  expect(await family('.mono')).toMatch(/^"JetBrains Mono",/);
  expect([...sizes.keys()].map((name) => name.replace(/\.[0-9a-f]{16}\./, '.')).sort()).toEqual(['/pkg/inter.woff2', '/pkg/jetbrains-mono.woff2']);
  expect([...sizes.values()].reduce((sum, size) => sum + size)).toBeLessThanOrEqual(70_000);
});

test('every sign that pages write is in them, and figures are of one width', async ({ page }) => {
  await open(page, '/');
  const widths = await page.evaluate(async () => {
    await document.fonts.load('14px Inter');
    const context = document.createElement('canvas').getContext('2d');
    if (!context) throw new Error('no canvas');
    // A sign that the font lacks is taken from the fallback, and is then as wide as in it.
    const width = (sign: string, family: string): number => {
      context.font = `40px ${family}`;
      return context.measureText(sign.repeat(20)).width;
    };
    return [...'…·→←↑↓–—“”‘’≤≥≈×✓éßÜ'].map((sign) => [sign, width(sign, 'Inter, monospace') === width(sign, 'monospace')] as const);
  });
  expect(widths.filter(([, same]) => same)).toEqual([]);
  const figures = await page.evaluate(() => {
    const line = document.createElement('span');
    document.body.append(line);
    return ['0000', '1111', '4444', '7777'].map((text) => {
      line.textContent = text;
      return line.getBoundingClientRect().width;
    });
  });
  expect(new Set(figures).size).toBe(1);
});

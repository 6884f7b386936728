// Every page, hydrated and without JavaScript: its status, its heading, its data, and its narrowest form.
import { fitsNarrow, isWhole, namesItsActs, PAGES, visit } from './pages';
import { takenOver, test } from './quiet';
import { ADMINISTRATOR } from './session';

for (const shown of PAGES) {
  test.describe(shown.name, () => {
    test.use({ storageState: shown.stranger ? undefined : ADMINISTRATOR, viewport: { width: 1440, height: 900 } });

    test('is whole, and fits a narrow screen', async ({ page, listener, javaScriptEnabled }) => {
      if (shown.status === 404) listener.expect(/status of 404/);
      await visit(page, shown);
      await isWhole(page, shown);
      if (javaScriptEnabled) {
        await takenOver(page);
        await isWhole(page, shown);
      } else {
        await namesItsActs(page);
      }
      await fitsNarrow(page);
    });
  });
}

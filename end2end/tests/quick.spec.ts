// Who is quicker than the console's answers sees the answer to the last question.
import { target } from '../console';
import { expect, open, test } from './quiet';
import { ADMINISTRATOR } from './session';

test.use({ storageState: ADMINISTRATOR });

for (const [what, path, rpc, region, heads] of [
  ['tables', `/db/${target}/tables`, 'list_tables', 'Tables', ['Table', 'Rows']],
  ['sessions', `/db/${target}/activity?all=1`, 'view_activity', 'Sessions', ['Pid', 'Role']],
] as const) {
  for (const second of [heads[1], heads[0]]) {
    test(`${what}: sorted by ${heads[0]}, then by ${second} before the answer is there`, async ({ page }) => {
      let slow = false;
      let last = '';
      await page.route(`**/rpc/${rpc}`, async (route) => {
        last = route.request().postData() ?? '';
        const late = slow;
        slow = false;
        const answer = await route.fetch();
        if (late) await new Promise((done) => setTimeout(done, 2_000));
        await route.fulfill({ response: answer });
      });
      await open(page, path);
      // What the page asks for by itself would hide that an answer was lost.
      const pause = page.getByRole('button', { name: 'Pause' });
      if (await pause.isVisible()) await pause.click();
      const rows = page.getByRole('region', { name: region, exact: true }).locator('tbody tr td:first-child');
      const head = (name: string) => page.getByRole('region', { name: region, exact: true }).getByRole('link', { name, exact: true });
      await expect(rows.first()).toBeVisible();

      const asked = page.waitForRequest(`**/rpc/${rpc}`);
      slow = true;
      await head(heads[0]).click();
      await asked;
      await head(second).click();
      await page.waitForTimeout(2_500);
      const { sort, descending } = JSON.parse(last).query;
      const url = new URL(page.url()).searchParams;
      expect([sort, descending]).toEqual([url.get('sort'), url.get('dir') === 'desc']);
      const shown = await rows.allInnerTexts();
      await page.reload();
      await expect(rows.first()).toBeVisible();
      // Sessions come and go meanwhile.
      if (what === 'tables') expect(shown).toEqual(await rows.allInnerTexts());
    });
  }
}

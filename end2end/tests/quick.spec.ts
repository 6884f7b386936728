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
      let release = () => {};
      const released = new Promise<void>((done) => (release = done));
      let delivered = () => {};
      const late = new Promise<void>((done) => (delivered = done));
      await page.route(`**/rpc/${rpc}`, async (route) => {
        last = route.request().postData() ?? '';
        const held = slow;
        slow = false;
        const answer = await route.fetch();
        if (held) await released;
        await route.fulfill({ response: answer });
        if (held) delivered();
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
      // Each click is in the link at once, whatever the answers do.
      const click = async (name: string) => {
        const before = page.url();
        await head(name).click();
        await page.waitForURL((url) => url.href !== before);
      };
      await click(heads[0]);
      await asked;
      await click(second);
      release();
      await late;
      const url = new URL(page.url()).searchParams;
      await expect
        .poll(() => {
          const { sort, descending } = JSON.parse(last).query;
          return [sort, descending];
        })
        .toEqual([url.get('sort'), url.get('dir') === 'desc']);
      // What the page still asks by itself ends before the test does.
      await page.unrouteAll({ behavior: 'wait' });
      // Sessions come and go meanwhile.
      if (what !== 'tables') return;
      const fresh = await page.context().newPage();
      await open(fresh, page.url());
      const right = await fresh.getByRole('region', { name: region, exact: true }).locator('tbody tr td:first-child').allInnerTexts();
      await expect.poll(() => rows.allInnerTexts()).toEqual(right);
    });
  }
}

// Every page, with what must be on it after the chain, with JavaScript and without.
import { expect, type Page } from '@playwright/test';
import { target } from '../console';

export interface Shown {
  /** What it is, for the test's name. */
  name: string;
  path: string;
  /** For pages whose path holds an id: the link on `path` that leads there. */
  through?: string;
  /** What is added to that link. */
  query?: string;
  status: number;
  heading: string;
  /** Texts of its data. */
  shows: (string | RegExp)[];
  /** Whether it is for those who are not logged in. */
  stranger?: boolean;
}

const page = (name: string, path: string, heading: string, ...shows: (string | RegExp)[]): Shown => ({
  name, path, heading, shows, status: 200,
});
const missing = (name: string, path: string, heading: string, ...shows: (string | RegExp)[]): Shown => ({
  ...page(name, path, heading, ...shows), status: 404,
});
const db = `/db/${target}`;

/** Nothing is to be done but, on a machine with old ones, to upgrade the client tools. */
export const WELL = /Healthy|Needs attentionThe client tools/;

export const PAGES: Shown[] = [
  { ...page('log-in', '/login', 'Sign in', 'Name', 'Password', 'pgsteward user passwd NAME'), stranger: true },
  page('fleet', '/', 'Databases', target, 'Up to date', 'PostgreSQL'),
  page('overview', `${db}/`, target, WELL, 'Largest tables', 'ari_snapshots', `Import music.db into ${target}`, 'Read back whole', 'Nothing runs'),
  page('charts', `${db}/history`, 'Charts', 'Transactions', 'Connections', 'Values'),
  page('tables', `${db}/tables`, 'Tables', 'ari_snapshots', '20.0 k', '10 tables'),
  page('table', `${db}/tables/public/ari_snapshots`, 'ari_snapshots', 'idx_ari_score', 'decision_quality', 'ari_snapshots_user_id_fkey'),
  page('queries', `${db}/queries`, 'Queries', 'statements', 'Share', 'ari_snapshots'),
  page('activity', `${db}/activity`, 'Activity', 'Sessions', 'in this database', 'What keeps dead rows'),
  page('explain', `${db}/explain`, 'Explain', 'One statement that reads or changes rows', 'What EXPLAIN printed', 'Kept plans'),
  missing('plan that is none', `${db}/explain/00000000-0000-0000-0000-000000000000`, 'There is no such plan', 'below Explain'),
  page('migrations', `${db}/migrations`, 'Migrations', 'Up to date', 'audit logs', 'by admin'),
  page('optimize', `${db}/optimize`, 'Optimize', 'All there', 'idx_ari_score', 'audit_logs_severity_check'),
  page('backups', `${db}/backups`, 'Backups', 'Read back whole', 'admin'),
  page('choice of parts', `${db}/backups/new`, 'Back up', 'ari_snapshots', 'all of it', 'Nothing, so the whole database'),
  page('archive to add', `${db}/backups/add`, 'Add an archive', 'Up to', 'Choose an archive', 'no whole archive is refused'),
  page('schedule', `${db}/backups/schedule`, 'Schedule', 'No backups are taken by themselves yet', 'Which are kept', 'the newest', 'Nobody is told by e-mail or webhook yet'),
  page('imports', `${db}/import`, 'Import', 'A file of your own', 'A file on the server', 'undecided.sqlite', 'Ready to decide', 'Identical'),
  { ...page('import that is done', `${db}/import`, 'chinook.sqlite', '5 Proof', 'all 15,607 rows', 'InvoiceLine', 'Validated'), through: 'chinook.sqlite' },
  { ...page('import to decide', `${db}/import`, 'undecided.sqlite', '1 Inspect', '2 Decide', 'InvoiceLine', '3 Rehearse'), through: 'undecided.sqlite' },
  {
    ...page('import with an open table', `${db}/import`, 'undecided.sqlite', 'AlbumId', '347 integers', 'Foreign key'),
    through: 'undecided.sqlite', query: '?table=Album',
  },
  page('jobs', '/jobs', 'Jobs', `Migrate ${target}`, `Optimize ${target}`, 'Succeeded'),
  { ...page('job', '/jobs', `Optimize ${target}`, '2 constraints and 20 indexes created', 'idx_ari_score', 'create index concurrently'), through: `Optimize ${target}` },
  page('audit of the console', '/audit', 'Audit', 'Look at file', 'Discard import', 'admin'),
  page('audit of the database', `/audit?source=target&target=${target}`, 'Audit', 'goal_created', 'request 200', 'user-4'),
  page('settings', '/settings', 'Settings', 'Your password', 'Your sessions', 'Users', 'administrator'),
  page('console', '/settings/console', 'Console', 'PGSTEWARD_DATA_DIR', 'set, and secret', 'answered in', `Pool of ${target}`, 'in use'),
  missing('page that is none', '/no/such/page', 'There is no such page', 'To the overview'),
  missing('database that is none', '/db/none/', 'There is no', 'none'),
  missing('table that is none', `${db}/tables/public/none`, 'There is no', 'none'),
  missing('import that is none', `${db}/import/none`, 'There is no import', 'Look for it on the Import page'),
  missing('job that is none', '/jobs/none', 'There is no job', 'Look for it on the Jobs page.'),
];

/** Opens it; fails when its status is not the right one. */
export async function visit(browser: Page, shown: Shown): Promise<void> {
  let answer = await browser.goto(shown.path);
  if (shown.through) {
    const link = browser.getByRole('main').getByRole('link', { name: shown.through }).first();
    answer = await browser.goto(`${await link.getAttribute('href')}${shown.query ?? ''}`);
  }
  expect(answer?.status()).toBe(shown.status);
}

/** Whether its heading and its data are there. */
export async function isWhole(browser: Page, shown: Shown): Promise<void> {
  await expect(browser.getByRole('heading', { level: 1 })).toHaveText(new RegExp(`^${shown.heading}`));
  for (const text of shown.shows) {
    // Some of it is in the log's or a table's hidden columns on narrow screens; this is a wide one.
    await expect(browser.getByRole('main')).toContainText(text);
  }
  await expect(browser.getByText('Loading', { exact: true })).toHaveCount(0);
}

/** Whether each button of the page that needs JavaScript is named where JavaScript is off, and cannot be pressed. */
export async function namesItsActs(browser: Page): Promise<void> {
  const acts = browser.getByRole('main').locator('button[type=button]:not([popovertarget])');
  const named = (await browser.getByRole('note').allTextContents()).join(' ');
  for (const act of await acts.all()) {
    await expect(act).toBeHidden();
    // What is hidden with JavaScript too is no act of this moment; the choice of a theme has words of its own.
    if (await act.evaluate((button) => button.closest('[hidden], [aria-label=Theme]') !== null)) continue;
    const names = [await act.textContent(), await act.getAttribute('aria-label')].map((name) => `“${name?.trim()}”`);
    expect(names.some((name) => named.includes(name)), `${names} in: ${named}`).toBe(true);
  }
}

/** Whether nothing is wider than the smallest screen, but for what scrolls by itself. */
export async function fitsNarrow(browser: Page): Promise<void> {
  await browser.setViewportSize({ width: 320, height: 640 });
  await expect.poll(() => browser.evaluate(tooWide)).toEqual([]);
}

/** In the page: what reaches beyond the right edge, if the page as a whole can be scrolled there. */
function tooWide(): string[] {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const scrolls = (element: Element): boolean => getComputedStyle(element).overflowX !== 'visible';
  const reaches = [...document.querySelectorAll('body *')].filter((element) => {
    if (element.getBoundingClientRect().right <= clientWidth) return false;
    for (let parent = element.parentElement; parent && parent !== document.body; parent = parent.parentElement) {
      if (scrolls(parent)) return false;
    }
    return true;
  });
  return [`${scrollWidth - clientWidth} px too wide`, ...reaches.map((element) => element.outerHTML.slice(0, 120))];
}

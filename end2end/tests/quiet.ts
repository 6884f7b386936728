// Every test listens to its browser: an error in the console (a violation of the content security policy is one), an
// uncaught error, or a hydration that failed makes it fail.
import { expect, test as base, type BrowserContext, type Page } from '@playwright/test';

/** Warnings of leptos about a page that is not written as it should be. */
const LEPTOS = /reactive|hydrat|leptos/i;

export class Listener {
  private readonly problems: string[] = [];
  private readonly expected: RegExp[] = [];

  /** Listens to every page of a context. */
  async listen(context: BrowserContext): Promise<void> {
    context.on('console', (message) => {
      const type = message.type();
      if (type === 'error' || (type === 'warning' && LEPTOS.test(message.text()))) {
        this.problems.push(`${type} on ${message.page()?.url()}: ${message.text()} (${message.location().url})`);
      }
    });
    context.on('weberror', (error) => this.problems.push(`uncaught on ${error.page()?.url()}: ${error.error()}`));
  }

  /** Expects problems like this, because the test causes them. */
  expect(...patterns: RegExp[]): void {
    this.expected.push(...patterns);
  }

  /** Fails when there was a problem that is not expected. */
  check(): void {
    const unexpected = this.problems.filter((problem) => !this.expected.some((pattern) => pattern.test(problem)));
    this.problems.length = 0;
    expect(unexpected).toEqual([]);
  }
}

/** Waits until the page is taken over: it says so itself, after its first effects. */
export async function takenOver(page: Page): Promise<void> {
  await expect(page.locator('html[data-ready]')).toBeAttached();
}

/** Opens a page and waits until it is hydrated. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await takenOver(page);
}

export const test = base.extend<{ listener: Listener }>({
  listener: async ({}, use) => {
    const listener = new Listener();
    await use(listener);
    listener.check();
  },
  context: async ({ context, listener }, use) => {
    await listener.listen(context);
    await use(context);
  },
});

export { expect };

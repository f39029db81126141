// The `test` that every story uses: a server of its own per worker, and pages that nothing may go wrong on.

import { type BrowserContext, test as base, expect, type Page } from '@playwright/test';

import { type Hallpass, startDemo } from './hallpass.ts';

export { expect, type Page };

/** Who the demo's login page offers. */
export type Person = 'alice' | 'bob' | 'admin';

interface Fixtures {
  /** What went wrong in the browser so far: refused by the page's policy, thrown, missing. Empty at the end. */
  problems: string[];
  /** A page of somebody who is logged in, in a browser of their own. */
  pageOf(person: Person): Promise<Page>;
}

interface WorkerFixtures {
  hallpass: Hallpass;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  hallpass: [
    async ({}, use) => {
      const server = await startDemo();
      await use(server);
      await server.stop();
    },
    { scope: 'worker', timeout: 30_000 },
  ],

  baseURL: ({ hallpass }, use) => use(hallpass.url),

  problems: [
    async ({ context }, use) => {
      const problems = watch(context);
      await use(problems);
      expect(problems, 'problems in the browser').toEqual([]);
    },
    { auto: true },
  ],

  pageOf: async ({ browser, baseURL, problems, contextOptions, javaScriptEnabled }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (person) => {
      const context = await browser.newContext({ ...contextOptions, baseURL, javaScriptEnabled });
      contexts.push(context);
      watch(context, problems);
      const page = await context.newPage();
      await logIn(page, person);
      return page;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
});

/** Logs in by the demo provider, and ends at `returnTo`. */
export async function logIn(page: Page, person: Person, returnTo = '/tokens'): Promise<void> {
  await page.goto(`/auth/demo/login?return_to=${encodeURIComponent(returnTo)}`);
  await chooseDemoUser(page, person);
  await expect(page).toHaveURL(returnTo);
}

/** Presses somebody's button on the demo's login page. */
export async function chooseDemoUser(page: Page, person: Person): Promise<void> {
  await page.locator(`button[name=user][value=${person}]`).click();
}

/** Notes everything that a page should not bring about. */
function watch(context: BrowserContext, problems: string[] = []): string[] {
  context.on('weberror', (error) => problems.push(`thrown: ${error.error().message}`));
  context.on('console', (message) => {
    // Statuses are looked at below: that a page itself is a 404 or 422 is part of some stories.
    const wrong = ['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource');
    if (wrong) problems.push(`${message.type()}: ${message.text()}`);
  });
  context.on('response', (response) => {
    const missing = response.status() >= 400 && !response.request().isNavigationRequest();
    if (missing) problems.push(`${response.status()}: ${response.url()}`);
  });
  return problems;
}

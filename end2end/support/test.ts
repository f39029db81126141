// The `test` that every story uses: a server of its own per worker, and pages that nothing may go wrong on.

import { type BrowserContext, type Cookie, test as base, expect, type Page } from '@playwright/test';

import { type Hallpass, startDemo } from './hallpass.ts';

export { expect, type Page };

/** Who the demo's login page offers. */
export type Person = 'alice' | 'bob' | 'admin';

interface Fixtures {
  /** What went wrong in the browser so far: refused by the page's policy, thrown, missing. Empty at the end. */
  problems: string[];
  /** A page of somebody who is logged in, in a browser of their own. */
  pageOf(person: Person, enter?: typeof logIn): Promise<Page>;
}

interface WorkerFixtures {
  hallpass: Hallpass;
}

/** The sessions of this worker's server: logging in by hand before every story would take longer than most stories. */
const sessions = new Map<Person, Cookie[]>();

export const test = base.extend<Fixtures, WorkerFixtures>({
  hallpass: [
    async ({}, use) => {
      const server = await startDemo();
      sessions.clear();
      await use(server);
      await server.stop();
    },
    { scope: 'worker', timeout: 30_000 },
  ],

  baseURL: ({ hallpass }, use) => use(hallpass.url),

  problems: [
    async ({ context, javaScriptEnabled }, use) => {
      const problems = watch(context, javaScriptEnabled);
      await use(problems);
      expect(problems, 'problems in the browser').toEqual([]);
    },
    { auto: true },
  ],

  pageOf: async ({ browser, baseURL, problems, contextOptions, javaScriptEnabled }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async (person, enter = logIn) => {
      const context = await browser.newContext({ ...contextOptions, baseURL, javaScriptEnabled });
      contexts.push(context);
      watch(context, javaScriptEnabled, problems);
      const page = await context.newPage();
      await enter(page, person);
      return page;
    });
    await Promise.all(contexts.map((context) => context.close()));
  },
});

/** Logs in by the demo provider, or takes up the session of an earlier story, and ends at `returnTo`. */
export async function logIn(page: Page, person: Person, returnTo = '/tokens'): Promise<void> {
  const cookies = sessions.get(person);
  if (cookies) {
    await page.context().addCookies(cookies);
    await page.goto(returnTo);
  } else {
    // A login ends the session that the browser had before, which may be one that other stories use.
    await page.context().clearCookies();
    await logInByHand(page, person, returnTo);
    sessions.set(person, await page.context().cookies());
  }
  await expect(page).toHaveURL(returnTo);
}

/** To be said by a story that ends the session which others would take up. */
export function forgetSession(person: Person): void {
  sessions.delete(person);
}

/** Logs in by the demo provider into a session that no other story has. */
export async function logInByHand(page: Page, person: Person, returnTo = '/tokens'): Promise<void> {
  await page.goto(`/auth/demo/login?return_to=${encodeURIComponent(returnTo)}`);
  await chooseDemoUser(page, person);
  await expect(page).toHaveURL(returnTo);
}

/** Presses somebody's button on the demo's login page. */
export async function chooseDemoUser(page: Page, person: Person): Promise<void> {
  await page.locator(`button[name=user][value=${person}]`).click();
}

/** Notes everything that a page should not bring about. */
function watch(context: BrowserContext, javaScriptEnabled = true, problems: string[] = []): string[] {
  context.on('weberror', (error) => problems.push(`thrown: ${error.error().message}`));
  context.on('console', (message) => {
    const [type, text] = [message.type(), message.text()];
    // Statuses are looked at below: that a page itself is a 404 or 422 is part of some stories.
    const status = text.startsWith('Failed to load resource');
    const idlePreload = !javaScriptEnabled && text.includes('was preloaded using link preload but not used');
    if (['error', 'warning'].includes(type) && !status && !idlePreload) problems.push(`${type}: ${text}`);
  });
  context.on('response', (response) => {
    const missing = response.status() >= 400 && !response.request().isNavigationRequest();
    if (missing) problems.push(`${response.status()}: ${response.url()}`);
  });
  return problems;
}

// Every page there is, for the tests that look at all of them.

import { expect, logIn, type Page } from './test.ts';
import { create, createQuietly, fillIn, revokeQuietly, submitUnchecked } from './tokens.ts';

export interface PageUnderTest {
  name: string;
  /** Whether somebody has to be logged in. */
  loggedIn: boolean;
  open(page: Page): Promise<unknown>;
}

const at = (path: string) => (page: Page) => page.goto(path);

const ofToken = (path: string) => async (page: Page) => {
  const token = await createQuietly(page, { name: 'nightly-backup', scopes: ['read:users', 'write:reports'] });
  await page.goto(token.path + path);
};

export const PAGES: PageUnderTest[] = [
  { name: 'login', loggedIn: false, open: at('/login') },
  { name: 'login-refused', loggedIn: false, open: at('/auth/demo/callback?code=stolen&state=made-up') },
  { name: 'demo-login', loggedIn: false, open: at('/auth/demo/login') },
  { name: 'help', loggedIn: false, open: at('/help') },
  { name: 'api', loggedIn: false, open: at('/api/docs') },
  { name: 'tokens', loggedIn: true, open: withTokens },
  { name: 'tokens-no-match', loggedIn: true, open: at('/tokens?q=there-is-no-such-token') },
  { name: 'new-token', loggedIn: true, open: at('/tokens/new') },
  { name: 'new-token-refused', loggedIn: true, open: refused },
  { name: 'shown-once', loggedIn: true, open: (page) => create(page, { name: 'shown-once' }) },
  { name: 'token', loggedIn: true, open: ofToken('') },
  { name: 'token-revoked', loggedIn: true, open: revoked },
  { name: 'edit', loggedIn: true, open: ofToken('/edit') },
  { name: 'regenerate', loggedIn: true, open: ofToken('/regenerate') },
  { name: 'revoke', loggedIn: true, open: ofToken('/revoke') },
  { name: 'account-menu', loggedIn: true, open: accountMenu },
  { name: 'not-found', loggedIn: true, open: at('/no-such-page') },
];

/** Opens a page as its visitor would. */
export async function open(page: Page, { loggedIn, open }: PageUnderTest): Promise<void> {
  if (loggedIn) await logIn(page, 'alice');
  await open(page);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

/** A list as people have it after a while. */
export async function withTokens(page: Page): Promise<void> {
  await createQuietly(page, {
    name: 'nightly-backup',
    description: 'Copies the reports to the archive every night',
    scopes: ['read:users', 'read:reports'],
    lifetime: '90',
  });
  await createQuietly(page, { name: 'deploy-pipeline', description: 'GitLab, project web', scopes: ['write:users'] });
  await createQuietly(page, { name: 'trying-things-out', lifetime: '7' });
  await revokeQuietly(page, await createQuietly(page, { name: 'old-laptop' }));
  await page.goto('/tokens');
}

async function revoked(page: Page): Promise<void> {
  const token = await createQuietly(page, { name: 'old-laptop' });
  await revokeQuietly(page, token);
  await page.goto(token.path);
}

async function refused(page: Page): Promise<void> {
  await page.goto('/tokens/new');
  await fillIn(page, { name: '', scopes: [], lifetime: 'date', date: '2020-01-01' });
  await submitUnchecked(page, 'Create token');
}

async function accountMenu(page: Page): Promise<void> {
  await page.goto('/help');
  await page.getByRole('button', { name: 'Account of alice' }).click();
  await expect(page.getByRole('button', { name: 'Log out' })).toBeVisible();
}

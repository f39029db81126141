// Every page there is, for the tests that look at all of them.

import { expect, logIn, type Page, type Person } from './test.ts';
import { create, createQuietly, fillIn, identify, type NewToken, report, revokeQuietly, submitUnchecked } from './tokens.ts';

export interface PageUnderTest {
  name: string;
  /** Whether somebody has to be logged in. */
  loggedIn: boolean;
  /** Who that is: Alice, unless it is said. */
  as?: Person;
  open(page: Page): Promise<unknown>;
}

const at = (path: string) => (page: Page) => page.goto(path);

const NIGHTLY: NewToken = { name: 'nightly-backup', scopes: ['read:users', 'write:reports'] };

const ofToken = (path: string) => async (page: Page) => {
  const token = await createQuietly(page, NIGHTLY);
  await page.goto(token.path + path);
};

const ofAnybodysToken = (path: string) => async (page: Page) => {
  const { id } = await asAlice(page, () => createQuietly(page, NIGHTLY));
  await page.goto(`/admin/tokens/${id}${path}`);
};

export const PAGES: PageUnderTest[] = [
  { name: 'login', loggedIn: false, open: at('/login') },
  { name: 'login-refused', loggedIn: false, open: at('/auth/demo/callback?code=stolen&state=made-up') },
  { name: 'demo-login', loggedIn: false, open: at('/auth/demo/login') },
  { name: 'help', loggedIn: false, open: at('/help') },
  { name: 'api', loggedIn: false, open: at('/api/docs') },
  { name: 'report', loggedIn: false, open: at('/report') },
  { name: 'report-sent', loggedIn: false, open: (page) => report(page, 'There is no token in this text.') },
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
  { name: 'activity', loggedIn: true, open: activity },
  { name: 'account-menu', loggedIn: true, open: accountMenu },
  { name: 'not-found', loggedIn: true, open: at('/no-such-page') },
  { name: 'admin', loggedIn: true, as: 'admin', open: at('/admin') },
  { name: 'admin-tokens', loggedIn: true, as: 'admin', open: tokensOfAlice('/admin/tokens?q=alice') },
  { name: 'admin-token', loggedIn: true, as: 'admin', open: ofAnybodysToken('') },
  { name: 'admin-token-revoke', loggedIn: true, as: 'admin', open: ofAnybodysToken('/revoke') },
  { name: 'admin-bulk', loggedIn: true, as: 'admin', open: tokensOfAlice('/admin/tokens/revoke?user=alice') },
  { name: 'admin-users', loggedIn: true, as: 'admin', open: users },
  { name: 'admin-user', loggedIn: true, as: 'admin', open: userAlice },
  { name: 'admin-user-disable', loggedIn: true, as: 'admin', open: disableAlice },
  { name: 'admin-audit', loggedIn: true, as: 'admin', open: at('/admin/audit') },
  { name: 'admin-identify', loggedIn: true, as: 'admin', open: at('/admin/identify') },
  { name: 'admin-identify-found', loggedIn: true, as: 'admin', open: identified },
];

/** Opens a page as its visitor would. */
export async function open(page: Page, { loggedIn, as = 'alice', open }: PageUnderTest): Promise<void> {
  if (loggedIn) await logIn(page, as);
  await open(page);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

/** How many pixels of the page lie beside the window. */
export function sideways(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
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

async function activity(page: Page): Promise<void> {
  await revokeQuietly(page, await createQuietly(page, { name: 'old-laptop' }));
  await page.goto('/activity');
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

/** Does something as Alice in the browser of the administrator, who is back afterwards. */
async function asAlice<T>(page: Page, work: () => Promise<T>): Promise<T> {
  await logIn(page, 'alice');
  const done = await work();
  await logIn(page, 'admin');
  return done;
}

function tokensOfAlice(path: string): (page: Page) => Promise<void> {
  return async (page) => {
    await asAlice(page, () => withTokens(page));
    await page.goto(path);
  };
}

async function users(page: Page): Promise<void> {
  // Users appear with their first login.
  await asAlice(page, async () => undefined);
  await page.goto('/admin/users');
}

async function userAlice(page: Page): Promise<void> {
  await users(page);
  await page.getByRole('link', { name: 'alice', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('alice');
}

async function disableAlice(page: Page): Promise<void> {
  await userAlice(page);
  await page.getByRole('link', { name: 'Disable …' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Disable alice?');
}

async function identified(page: Page): Promise<void> {
  const { secret } = await asAlice(page, () => createQuietly(page, NIGHTLY));
  await identify(page, `curl -H "Authorization: Bearer ${secret}" https://api.example.org/reports`);
}

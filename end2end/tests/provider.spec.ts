import { type Hallpass, freeUrl, startAt } from '../support/hallpass.ts';
import { startProvider } from '../support/provider.mjs';
import { test as base, expect, type Page } from '../support/test.ts';
import { check, createQuietly } from '../support/tokens.ts';

type Provider = Awaited<ReturnType<typeof startProvider>>;

/** The same stories against an ordinary installation, whose people log in at a provider that is not ours. */
const test = base.extend<object, { provider: Provider; installation: Hallpass; address: string }>({
  address: [({}, use) => freeUrl().then(use), { scope: 'worker' }],

  provider: [
    async ({ address }, use) => {
      const provider = await startProvider({
        redirectUri: `${address}/auth/main/callback`,
        postLogoutRedirectUri: `${address}/login`,
      });
      await use(provider);
      await provider.stop();
    },
    { scope: 'worker' },
  ],

  installation: [
    async ({ address, provider }, use) => {
      const server = await startAt(address, {
        HALLPASS_OIDC__0__NAME: 'main',
        HALLPASS_OIDC__0__ISSUER: provider.issuer,
        HALLPASS_OIDC__0__CLIENT_ID: provider.clientId,
        HALLPASS_OIDC__0__CLIENT_SECRET: provider.clientSecret,
        HALLPASS_OIDC__0__REQUIRED_ROLES: '["employee"]',
        HALLPASS_SCOPES__0__NAME: 'read:users',
        HALLPASS_SCOPES__0__DESCRIPTION: 'Read user profiles',
        HALLPASS_SCOPES__1__NAME: 'read:reports',
        HALLPASS_SCOPES__1__DESCRIPTION: 'Read reports',
        HALLPASS_SCOPES__1__ROLES: '["reports"]',
      });
      await use(server);
      await server.stop();
    },
    { scope: 'worker', timeout: 30_000 },
  ],

  baseURL: ({ installation }, use) => use(installation.url),
});

/** Types a name into the provider's form. */
async function logInAs(page: Page, name: string): Promise<void> {
  await page.goto('/login');
  await page.getByRole('link', { name: /^Log in with/ }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Log in' }).click();
}

test('a stranger\'s provider logs people in and out', async ({ page, provider }) => {
  provider.people.set('carol', { groups: ['employee'] });
  await logInAs(page, 'carol');
  await expect(page).toHaveURL('/tokens');

  await page.getByRole('button', { name: 'Account of carol' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page).toHaveURL(new RegExp(`^${provider.issuer}/`));
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: /^Log in with/ })).toBeVisible();

  // The provider has forgotten her too: it asks again.
  await page.getByRole('link', { name: /^Log in with/ }).click();
  await expect(page.getByRole('heading', { name: 'Who are you?' })).toBeVisible();
});

test('who has none of the required roles is told so and not let in', async ({ page, provider }) => {
  provider.people.set('dave', { groups: ['visitor'] });
  const answer = page.waitForResponse((response) => response.url().includes('/auth/main/callback'));
  await logInAs(page, 'dave');
  expect((await answer).status()).toBe(403);
  await expect(page.getByRole('alert')).toContainText('Request id');
  await page.goto('/tokens');
  await expect(page).toHaveURL(/\/login/);
});

test('a login that brings other roles changes what tokens may do, at once', async ({ page, request, provider }) => {
  provider.people.set('erin', { groups: ['employee', 'reports'] });
  await logInAs(page, 'erin');
  const { secret, path } = await createQuietly(page, { name: 'reporting', scopes: ['read:users', 'read:reports'] });
  const before = (await check(request, secret, '?scope=read:reports')).headers();
  expect(before['x-auth-scopes']).toBe('read:reports read:users');

  // The provider still knows her, so that the second login asks nothing.
  provider.people.set('erin', { groups: ['employee'] });
  await page.goto('/auth/main/login');
  await expect(page).toHaveURL('/tokens');
  expect((await check(request, secret)).headers()['x-auth-scopes']).toBe('read:users');
  expect((await check(request, secret, '?scope=read:reports')).status()).toBe(403);
  await page.goto(path);
  await expect(page.getByText('it needs the role reports')).toBeVisible();

  provider.people.set('erin', { groups: ['employee', 'reports'] });
  await page.goto('/auth/main/login');
  await expect(page).toHaveURL('/tokens');
  expect((await check(request, secret, '?scope=read:reports')).status()).toBe(200);
});

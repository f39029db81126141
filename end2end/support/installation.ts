// An ordinary installation, whose people log in at a provider that is not ours.

import { freeUrl, type Hallpass, startAt } from './hallpass.ts';
import { startProvider } from './provider.mjs';
import { expect, type Page, test as base } from './test.ts';

export { expect, type Page };

type Provider = Awaited<ReturnType<typeof startProvider>>;

interface WorkerFixtures {
  /** Whether the provider says of every login when it was. */
  saysWhen: boolean;
  address: string;
  provider: Provider;
  installation: Hallpass;
}

/** The `test` of stories about it. */
export const test = base.extend<object, WorkerFixtures>({
  saysWhen: [false, { option: true, scope: 'worker' }],

  address: [({}, use) => freeUrl().then(use), { scope: 'worker' }],

  provider: [
    async ({ address, saysWhen }, use) => {
      const provider = await startProvider({
        redirectUri: `${address}/auth/main/callback`,
        postLogoutRedirectUri: `${address}/login`,
        saysWhen,
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

/** Logs in from the login page. */
export async function logInAs(page: Page, name: string): Promise<void> {
  await page.goto('/login');
  await page.getByRole('link', { name: /^Log in with/ }).click();
  await sayWho(page, name);
}

/** Types a name into the provider's form, which has to be open. */
export async function sayWho(page: Page, name: string): Promise<void> {
  await expect(page.getByRole('heading', { name: 'Who are you?' })).toBeVisible();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Log in' }).click();
}

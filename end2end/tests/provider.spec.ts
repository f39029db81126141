import { expect, logInAs, test } from '../support/installation.ts';
import { check, createQuietly } from '../support/tokens.ts';

// The same stories against an ordinary installation, whose people log in at a provider that is not ours.

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

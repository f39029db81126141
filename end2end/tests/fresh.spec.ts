import { expect, logInAs, type Page, sayWho, test } from '../support/installation.ts';
import { giveReason } from '../support/panel.ts';
import { check, createQuietly, fillIn, shownOnce, unique } from '../support/tokens.ts';

// The provider says when somebody showed who they are, which may have been before they came to us.
test.use({ saysWhen: true });

const AN_HOUR = 3600;

/** Goes to a fresh login by the link that a page offers. The provider still knows the person, and asks all the same. */
async function logInAgain(page: Page, name: string): Promise<void> {
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('Your login is a while ago.');
  await alert.getByRole('link', { name: 'Log in again' }).click();
  await sayWho(page, name);
}

test('ending many tokens needs a fresh login, which leads back to what would end', async ({ page, context, request, provider }) => {
  const groups = ['employee', 'hallpass-admin'];
  provider.people.set('frank', { groups });
  await logInAs(page, 'frank');
  const batch = unique('ended-late');
  const doomed = await createQuietly(page, { name: `${batch}-first` });
  const spared = await createQuietly(page, { name: unique('of-something-else') });
  await context.clearCookies();

  provider.people.set('frank', { groups, provedAgo: AN_HOUR });
  await logInAs(page, 'frank');
  await page.goto(`/admin/tokens?q=${batch}&scope=read%3Ausers`);
  const answer = page.waitForResponse((response) => response.url().includes('/admin/tokens/revoke'));
  await page.getByRole('link', { name: 'Revoke all that match …' }).click();
  expect((await answer).status()).toBe(403);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke many tokens');
  await expect(page.getByRole('main')).not.toContainText(doomed.name);
  await expect(page.getByRole('button', { name: /^Revoke/ })).toHaveCount(0);

  provider.people.set('frank', { groups });
  await logInAgain(page, 'frank');
  await expect(page).toHaveURL(`/admin/tokens/revoke?q=${batch}&scope=read%3Ausers`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 1 token?');
  await giveReason(page, 'Against the rules here', '');
  await page.getByLabel('How many?').fill('1');
  await page.getByRole('button', { name: 'Revoke 1 token' }).click();
  await expect(page.getByRole('status')).toContainText('1 token is revoked.');
  expect((await check(request, doomed.secret)).status()).toBe(401);
  expect((await check(request, spared.secret)).status()).toBe(200);
});

test('making a token needs a fresh login, after which everything typed is there', async ({ page, provider }) => {
  provider.people.set('grace', { groups: ['employee', 'reports'], provedAgo: AN_HOUR });
  await logInAs(page, 'grace');
  await page.goto('/tokens/new');
  await expect(page.getByRole('alert')).toContainText('Please log in again before you begin.');
  await fillIn(page, { name: 'made-late', description: 'Typed & kept', scopes: ['read:users', 'read:reports'], lifetime: '7' });
  const answer = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: 'Create token' }).click();
  expect((await answer).status()).toBe(403);
  await expect(page.getByRole('alert')).toContainText('what you typed will still be here');
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('made-late');

  provider.people.set('grace', { groups: ['employee', 'reports'] });
  await logInAgain(page, 'grace');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('New token');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('made-late');
  await expect(page.getByLabel('What it is for')).toHaveValue('Typed & kept');
  await expect(page.locator('input[name=scope]:checked')).toHaveCount(2);
  await expect(page.locator('input[name=lifetime][value="7"]')).toBeChecked();
  await page.getByRole('button', { name: 'Create token' }).click();
  await shownOnce(page, 'Your new token');
});

test('a new secret needs a fresh login, which leads back to its token', async ({ page, context, request, provider }) => {
  provider.people.set('heidi', { groups: ['employee'] });
  await logInAs(page, 'heidi');
  const { path, secret } = await createQuietly(page, { name: 'renewed-late' });
  await context.clearCookies();

  provider.people.set('heidi', { groups: ['employee'], provedAgo: AN_HOUR });
  await logInAs(page, 'heidi');
  await page.goto(`${path}/regenerate`);
  provider.people.set('heidi', { groups: ['employee'] });
  await logInAgain(page, 'heidi');
  await expect(page).toHaveURL(`${path}/regenerate`);
  await page.getByRole('button', { name: 'Regenerate token' }).click();
  const renewed = await shownOnce(page, 'Your regenerated token');
  expect((await check(request, renewed.secret)).status()).toBe(200);
  expect((await check(request, secret)).status()).toBe(401);
});

test('a login that was long ago is enough to end a token', async ({ page, context, request, provider }) => {
  provider.people.set('ivan', { groups: ['employee'] });
  await logInAs(page, 'ivan');
  const { path, secret } = await createQuietly(page, { name: 'leaked-lately' });
  await context.clearCookies();

  provider.people.set('ivan', { groups: ['employee'], provedAgo: AN_HOUR });
  await logInAs(page, 'ivan');
  await page.goto(`${path}/revoke`);
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('status')).toContainText('The token is revoked.');
  expect((await check(request, secret)).status()).toBe(401);
});

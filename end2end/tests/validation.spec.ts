import { expect, logIn, type Page, test } from '../support/test.ts';
import { check, createQuietly, fillIn, submitUnchecked } from '../support/tokens.ts';

test.beforeEach(({ page }) => logIn(page, 'alice', '/tokens/new'));

async function expectWrong(page: Page, field: string, label: string): Promise<void> {
  const message = page.locator(`#${field}-error`);
  await expect(message).toBeVisible();
  await expect(message).not.toBeEmpty();
  await expect(page).toHaveTitle(/^Please check/);
  // The summary on top leads to the field.
  await page.getByRole('alert').getByRole('link', { name: new RegExp(`^${label}`) }).click();
  await expect(page).toHaveURL(new RegExp(`#${field}$`));
}

test('a token needs a name', async ({ page }) => {
  await fillIn(page, { name: '', description: 'typed <b>text</b> & more', scopes: ['read:reports'], lifetime: '30' });
  expect(await submitUnchecked(page, 'Create token')).toBe(422);
  await expectWrong(page, 'name', 'Name');
  await expect(page.getByLabel('Name', { exact: true })).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByLabel('What it is for')).toHaveValue('typed <b>text</b> & more');
  await expect(page.locator('input[name=scope]:checked')).toHaveValue('read:reports');
  await expect(page.locator('input[name=lifetime]:checked')).toHaveValue('30');
});

test('a token needs a scope', async ({ page }) => {
  await fillIn(page, { name: 'without-scope', description: 'kept', scopes: [] });
  expect(await submitUnchecked(page, 'Create token')).toBe(422);
  await expectWrong(page, 'scopes', 'Scopes');
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('without-scope');
  await expect(page.getByLabel('What it is for')).toHaveValue('kept');
});

test('a token cannot end in the past', async ({ page }) => {
  await fillIn(page, { name: 'yesterday', lifetime: 'date', date: '2020-01-01' });
  expect(await submitUnchecked(page, 'Create token')).toBe(422);
  await expectWrong(page, 'expires_in', 'Lifetime');
  await expect(page.getByLabel('Name', { exact: true })).toHaveValue('yesterday');
  await expect(page.locator('input[name=lifetime]:checked')).toHaveValue('date');
  await expect(page.locator('input[name=date]')).toHaveValue('2020-01-01');
});

test('a form that was refused works once it is right', async ({ page, request }) => {
  await fillIn(page, { name: '', scopes: ['read:users'] });
  expect(await submitUnchecked(page, 'Create token')).toBe(422);
  await page.getByLabel('Name', { exact: true }).fill('at-the-second-try');
  await page.getByRole('button', { name: 'Create token' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your new token');
  const secret = await page.getByLabel('Token', { exact: true }).inputValue();
  expect((await check(request, secret)).status()).toBe(200);
});

test('networks that are none are refused, and the fold stays open', async ({ page }) => {
  await fillIn(page, { name: 'restricted' });
  await page.getByText('Restrictions').click();
  await page.getByLabel('Networks').fill('10.2.0.0/16\nthe office');
  expect(await submitUnchecked(page, 'Create token')).toBe(422);
  await expectWrong(page, 'allowed_ips', 'Networks');
  await expect(page.getByLabel('Networks')).toHaveValue('10.2.0.0/16\nthe office');
});

test('a token that is edited still needs a name and a scope', async ({ page }) => {
  const { path } = await createQuietly(page, { name: 'edited-badly', scopes: ['read:users', 'read:reports'] });
  await page.goto(`${path}/edit`);
  await page.getByLabel('Name', { exact: true }).fill('');
  await page.getByLabel('What it is for').fill('typed in vain');
  expect(await submitUnchecked(page, 'Save changes')).toBe(422);
  await expectWrong(page, 'name', 'Name');
  await expect(page.getByLabel('What it is for')).toHaveValue('typed in vain');

  await page.goto(`${path}/edit`);
  await page.locator('input[name=scope][value="read:users"]').uncheck();
  await page.locator('input[name=scope][value="read:reports"]').uncheck();
  expect(await submitUnchecked(page, 'Save changes')).toBe(422);
  await expectWrong(page, 'scopes', 'Scopes');
});

test('the browser itself asks for a name', async ({ page }) => {
  await fillIn(page, { name: '' });
  await page.getByRole('button', { name: 'Create token' }).click();
  await expect(page.getByLabel('Name', { exact: true })).toBeFocused();
  await expect(page).toHaveURL('/tokens/new');
});

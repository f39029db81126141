import { expect, logIn, test } from '../support/test.ts';
import { check, createQuietly } from '../support/tokens.ts';

test('a token can be renamed and narrowed, with effect at once', async ({ page, request }) => {
  await logIn(page, 'alice');
  const { path, secret } = await createQuietly(page, { name: 'before', scopes: ['read:users', 'write:users'] });
  expect((await check(request, secret, '?scope=write:users')).status()).toBe(200);

  await page.goto(path);
  await page.getByRole('link', { name: 'Edit' }).click();
  // What it does not have cannot be added.
  await expect(page.locator('input[name=scope]')).toHaveCount(2);
  await page.getByLabel('Name', { exact: true }).fill('after <i>that</i>');
  await page.getByLabel('What it is for').fill('One line\nand another');
  await page.locator('input[name=scope][value="write:users"]').uncheck();
  await page.getByRole('button', { name: 'Save changes' }).click();

  await expect(page).toHaveURL(new RegExp(`${path}(\\?.*)?$`));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('after <i>that</i>');
  await expect(page.getByText('One line\nand another')).toBeVisible();
  const narrowed = await check(request, secret);
  expect(narrowed.headers()['x-auth-scopes']).toBe('read:users');
  expect((await check(request, secret, '?scope=write:users')).status()).toBe(403);
});

test('two people at one form: the later one is told, not overruled', async ({ page, context }) => {
  await logIn(page, 'alice');
  const { path } = await createQuietly(page, { name: 'contested' });
  const other = await context.newPage();
  await Promise.all([page.goto(`${path}/edit`), other.goto(`${path}/edit`)]);
  await page.getByLabel('Name', { exact: true }).fill('first');
  await page.getByRole('button', { name: 'Save changes' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('first');

  await other.getByLabel('Name', { exact: true }).fill('second');
  const answer = other.waitForResponse((response) => response.request().method() === 'POST');
  await other.getByRole('button', { name: 'Save changes' }).click();
  expect((await answer).status()).toBeGreaterThanOrEqual(400);
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('first');
});

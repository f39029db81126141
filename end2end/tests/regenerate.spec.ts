import { expect, logIn, test } from '../support/test.ts';
import { check, createQuietly, shownOnce } from '../support/tokens.ts';

test('a regenerated token has a new secret, and the old one is refused at once', async ({ page, request }) => {
  await logIn(page, 'alice');
  const old = await createQuietly(page, { name: 'rotated', scopes: ['read:users', 'read:reports'], lifetime: '30' });
  await page.goto(old.path);
  await page.getByRole('link', { name: 'Regenerate' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Regenerate rotated');
  await expect(page.getByText('rotated was never used.')).toBeVisible();

  await page.locator('input[name=lifetime][value="90"]').check();
  await page.getByRole('button', { name: 'Regenerate token' }).click();
  const fresh = await shownOnce(page, 'Your regenerated token');
  expect(fresh.path).toBe(old.path);
  expect(fresh.secret).not.toBe(old.secret);

  expect((await check(request, old.secret)).status()).toBe(401);
  const answer = await check(request, fresh.secret);
  expect(answer.status()).toBe(200);
  expect(answer.headers()).toMatchObject({ 'x-auth-token-id': old.id, 'x-auth-scopes': 'read:reports read:users' });

  await page.reload();
  await expect(page).toHaveURL(old.path);
  expect(await page.content()).not.toContain(fresh.secret.split('_')[2]);
  expect((await check(request, fresh.secret)).status()).toBe(200);
  const secrets = page.getByRole('table', { name: 'Secrets of this token' });
  await expect(secrets.getByRole('row').filter({ hasText: 'In use' })).toHaveCount(1);
  await expect(secrets.getByRole('row').filter({ hasText: 'Ended' })).toHaveCount(1);
});

test('a regeneration that is thought better of changes nothing', async ({ page, request }) => {
  await logIn(page, 'alice');
  const { path, secret } = await createQuietly(page, { name: 'kept-as-it-is' });
  await page.goto(`${path}/regenerate`);
  await page.getByRole('link', { name: 'Keep the old secret' }).click();
  await expect(page).toHaveURL(path);
  expect((await check(request, secret)).status()).toBe(200);
});

import { expect, logIn, test } from '../support/test.ts';
import { check, createQuietly } from '../support/tokens.ts';

test('a revoked token is refused from that moment and stays in the list of ended ones', async ({ page, request }) => {
  await logIn(page, 'alice');
  const { name, path, secret } = await createQuietly(page, { name: 'to-be-revoked' });
  expect((await check(request, secret)).status()).toBe(200);

  await page.goto(path);
  await page.getByRole('link', { name: 'Revoke' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Revoke ${name}?`);
  await expect(page.getByText('This cannot be undone.')).toBeVisible();
  expect((await check(request, secret)).status()).toBe(200);
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText(`Revoke ${name}?`);

  const answer = await check(request, secret);
  expect(answer.status()).toBe(401);
  expect(answer.headers()['www-authenticate']).toContain('error="invalid_token"');
  expect(answer.headers()['content-type']).toContain('application/problem+json');

  await page.goto(path);
  await expect(page.getByText('Revoked').first()).toBeVisible();
  await expect(page.getByRole('link', { name: 'Regenerate' })).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'Edit' })).toHaveCount(0);

  await page.goto('/tokens');
  await expect(page.getByRole('link', { name, exact: true })).toBeHidden();
  await page.getByText(/^\d+ ended tokens?$/).click();
  await expect(page.getByRole('link', { name, exact: true })).toBeVisible();
});

test('a revocation that is thought better of changes nothing', async ({ page, request }) => {
  await logIn(page, 'alice');
  const { path, secret } = await createQuietly(page, { name: 'spared' });
  await page.goto(`${path}/revoke`);
  await page.getByRole('link', { name: 'Keep it' }).click();
  await expect(page).toHaveURL(path);
  expect((await check(request, secret)).status()).toBe(200);
});

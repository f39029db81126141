import { expect, logIn, test } from '../support/test.ts';
import { check, create, createQuietly, fillIn, TOKEN_PAGE } from '../support/tokens.ts';

test('a new token is shown once and works at once', async ({ page, request }) => {
  await logIn(page, 'alice');
  await page.goto('/tokens');
  await page.getByRole('link', { name: 'New token' }).first().click();
  await expect(page).toHaveURL('/tokens/new');
  const token = await create(page, {
    name: 'nightly-backup',
    description: 'Copies the reports to the archive every night',
    scopes: ['read:users', 'write:reports'],
    lifetime: '30',
  });
  await expect(page.getByText('it cannot be shown again')).toBeVisible();
  await expect(page.getByText(`curl -H "Authorization: Bearer ${token.secret}"`)).toBeVisible();

  const answer = await check(request, token.secret);
  expect(answer.status()).toBe(200);
  expect(await answer.text()).toBe('');
  const headers = answer.headers();
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'content-length': '0',
    'x-auth-user': 'alice',
    'x-auth-email': 'alice@demo.example',
    'x-auth-roles': 'staff',
    'x-auth-scopes': 'read:users write:reports',
    'x-auth-token-id': token.id,
    'x-auth-method': 'pat',
    'x-auth-truncated': '-',
  });
  expect(headers['x-auth-subject']).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const daysLeft = (Date.parse(headers['x-auth-expires']) - Date.now()) / 86_400_000;
  expect(daysLeft).toBeCloseTo(30, 1);
  expect((await check(request, token.secret, '?scope=write:reports')).status()).toBe(200);
  expect((await check(request, token.secret, '?scope=write:users')).status()).toBe(403);
});

test('nothing of the secret is left once its page was left', async ({ page }) => {
  await logIn(page, 'alice');
  const { name, secret, path } = await create(page, { name: 'left-behind' });
  const proof = secret.split('_')[2];
  await page.getByRole('link', { name: 'I have stored it' }).click();
  await expect(page).toHaveURL(path);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
  for (const place of [path, '/tokens', `${path}/edit`, `${path}/regenerate`, `${path}/revoke`]) {
    await page.goto(place);
    expect(await page.content()).not.toContain(proof);
  }
});

test('loading the page of a new token again creates nothing and shows no secret', async ({ page }) => {
  await logIn(page, 'alice');
  const { name, secret, path } = await create(page, { name: 'reloaded' });
  await page.reload();
  await expect(page).toHaveURL(path);
  expect(await page.content()).not.toContain(secret.split('_')[2]);
  await page.goto('/tokens');
  await expect(page.getByRole('link', { name, exact: true })).toHaveCount(1);
});

test('going back to the page of a new token creates nothing and shows no secret', async ({ page }) => {
  await logIn(page, 'alice');
  const { name, secret, path } = await create(page, { name: 'gone-back-to' });
  await page.getByRole('link', { name: 'I have stored it' }).click();
  await expect(page).toHaveURL(path);
  // Chromium asks before it sends a form again: its question is an error here, and reloading is the answer "yes".
  await page.goBack().catch((error: Error) => expect(error.message).toContain('ERR_CACHE_MISS'));
  await expect(async () => expect(await page.content()).not.toContain(secret.split('_')[2])).toPass();
  await page.reload();
  await expect(page).toHaveURL(path);
  expect(await page.content()).not.toContain(secret.split('_')[2]);
  await page.goto('/tokens');
  await expect(page.getByRole('link', { name, exact: true })).toHaveCount(1);
});

test('a token may end on a chosen day', async ({ page, request }) => {
  await logIn(page, 'alice');
  const day = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10);
  const { secret } = await create(page, { name: 'until-a-day', lifetime: 'date', date: day });
  expect((await check(request, secret)).headers()['x-auth-expires']).toBe(`${day}T23:59:59Z`);
});

test('bob is offered only what he may grant', async ({ page }) => {
  const offered = () => page.locator('input[name=scope]').evaluateAll((all) => all.map((one) => one.getAttribute('value')).sort());
  await logIn(page, 'bob', '/tokens/new');
  expect(await offered()).toEqual(['read:reports', 'read:users', 'write:users']);

  await page.context().clearCookies();
  await logIn(page, 'admin', '/tokens/new');
  expect(await offered()).toEqual(['admin:all', 'read:reports', 'read:users', 'write:reports', 'write:users']);
});

test('the form says what it amounts to @javascript', async ({ page }) => {
  await logIn(page, 'alice', '/tokens/new');
  await expect(page.locator('#summary')).toContainText('A token that can do nothing yet');
  await fillIn(page, { name: 'summary', scopes: ['read:users', 'write:reports'], lifetime: '30' });
  await expect(page.locator('#summary')).toContainText('A token that can read users and write reports, until');
  await expect(page.locator('#expiry-sentence')).toContainText('Expires in 30 days');
});

test('a token can be copied with one press @javascript', async ({ page, context, baseURL }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: baseURL });
  await logIn(page, 'alice');
  const { secret } = await create(page, { name: 'copied' });
  await page.getByRole('button', { name: 'Copy token' }).click();
  await expect(page.getByRole('status').getByText('Copied')).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(secret);
});

test('the list shows the new token with its scopes and leads to its page', async ({ page }) => {
  await logIn(page, 'alice');
  const { name, path } = await create(page, { name: 'in-the-list', scopes: ['read:reports'] });
  await page.goto('/tokens');
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
  await expect(row).toContainText('read:reports');
  await expect(row).toContainText('in 30 days');
  await expect(row).toContainText('never');
  await expect(row).toContainText('Active');
  await row.getByRole('link', { name }).click();
  await expect(page).toHaveURL(path);
  expect(page.url()).toMatch(TOKEN_PAGE);
});

test('the list can be searched', async ({ page }) => {
  await logIn(page, 'alice');
  await createQuietly(page, { name: 'needle-token' });
  await createQuietly(page, { name: 'haystack-token' });
  await page.goto('/tokens');
  await page.getByLabel('Search by name or purpose').fill('needle');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/[?&]q=needle/);
  await expect(page.getByRole('link', { name: 'needle-token' })).toBeVisible();
  await expect(page.getByRole('link', { name: 'haystack-token' })).toHaveCount(0);
});

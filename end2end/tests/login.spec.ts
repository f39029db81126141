import { startDemo } from '../support/hallpass.ts';
import { chooseDemoUser, expect, logIn, logInByHand, test } from '../support/test.ts';

test('alice logs in and finds out what tokens are for', async ({ page }) => {
  // A server that nobody has used: only there is the list known to be empty.
  const fresh = await startDemo();
  try {
    await page.goto(`${fresh.url}/`);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Log in to Hallpass');
    await page.getByRole('link', { name: /^Log in with/ }).click();

    await expect(page.getByText('Demo login: do not use in production')).toBeVisible();
    await expect(page.getByRole('button')).toHaveText(['Alice — staff', 'Bob — no roles', 'Admin — staff, hallpass-admin']);
    await chooseDemoUser(page, 'alice');

    await expect(page).toHaveURL(`${fresh.url}/tokens`);
    await expect(page.getByRole('heading', { name: 'You have no tokens yet' })).toBeVisible();
    await expect(page.getByRole('link', { name: 'New token' })).toHaveAttribute('href', '/tokens/new');
    await expect(page.getByRole('button', { name: 'Account of alice' })).toBeVisible();
  } finally {
    await fresh.stop();
  }
});

test('a page that needs a login comes back after it', async ({ page }) => {
  await page.goto('/tokens/new?from=bookmark');
  await expect(page).toHaveURL(/\/login\?/);
  await page.getByRole('link', { name: /^Log in with/ }).click();
  await chooseDemoUser(page, 'alice');
  await expect(page).toHaveURL('/tokens/new?from=bookmark');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('New token');
});

for (const elsewhere of ['https://evil.example/', '//evil.example/', '/\\evil.example/', 'javascript:alert(1)', 'tokens']) {
  test(`a login never leads away: ${elsewhere}`, async ({ page, baseURL }) => {
    await page.goto(`/login?return_to=${encodeURIComponent(elsewhere)}`);
    const href = await page.getByRole('link', { name: /^Log in with/ }).getAttribute('href');
    expect(new URL(href ?? '', baseURL).searchParams.get('return_to') ?? '/').toMatch(/^\/(?![/\\])/);

    await page.goto(`/auth/demo/login?return_to=${encodeURIComponent(elsewhere)}`);
    await chooseDemoUser(page, 'alice');
    await expect(page).toHaveURL(`${baseURL}/tokens`);
  });
}

test('a cancelled login is explained, with a way to try again', async ({ page }) => {
  await page.goto('/auth/demo/login');
  const address = new URL(page.url());
  const back = new URL(address.searchParams.get('redirect_uri') ?? '');
  back.search = new URLSearchParams({
    error: 'access_denied',
    state: address.searchParams.get('state') ?? '',
    iss: address.origin,
  }).toString();

  const answer = await page.goto(back.href);
  expect(answer?.status()).toBeGreaterThanOrEqual(400);
  await expect(page.getByRole('alert')).toContainText('Request id');
  await page.getByRole('link', { name: /^Log in with/ }).click();
  await chooseDemoUser(page, 'alice');
  await expect(page).toHaveURL('/tokens');
});

test('an answer to a login that nobody began is refused', async ({ page }) => {
  const answer = await page.goto('/auth/demo/callback?code=stolen&state=made-up');
  expect(answer?.status()).toBeGreaterThanOrEqual(400);
  await page.goto('/tokens');
  await expect(page).toHaveURL(/\/login/);
});

test('logging out ends the session, also for whoever kept the cookie', async ({ page, context }) => {
  await logInByHand(page, 'alice');
  const cookies = await context.cookies();
  expect(cookies.filter((cookie) => cookie.name === 'hallpass')).toMatchObject([{ httpOnly: true, sameSite: 'Lax' }]);

  await page.getByRole('button', { name: 'Account of alice' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await expect(page.getByRole('link', { name: /^Log in with/ })).toBeVisible();

  await context.addCookies(cookies);
  await page.goto('/tokens');
  await expect(page).toHaveURL(/\/login/);
});

test('pages of somebody who is logged in are not kept by the browser', async ({ page, baseURL }) => {
  await logIn(page, 'alice');
  for (const path of ['/tokens', '/tokens/new', '/help']) {
    const answer = await page.goto(path);
    expect(answer?.headers()['cache-control'], path).toContain('no-store');
    expect(answer?.headers()['content-security-policy'], path).toMatch(/'nonce-[^']+'/);
    expect(answer?.headers()['content-security-policy'], path).not.toMatch(/unsafe-inline|'unsafe-eval'/);
    expect(page.url()).toBe(baseURL + path);
  }
});

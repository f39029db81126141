import { sideways } from '../support/pages.ts';
import { expect, logIn, test } from '../support/test.ts';
import { create } from '../support/tokens.ts';

test('the help page can be read by everybody and carries our own address', async ({ page, baseURL }) => {
  expect((await page.goto('/help'))?.status()).toBe(200);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Help');
  await expect(page.getByText(`${baseURL}/check`).first()).toBeVisible();
  for (const section of ['Make a token', 'Use it', 'Replace it in time', 'When a token leaked', 'When a request is refused']) {
    await page.getByRole('navigation', { name: 'On this page' }).getByRole('link', { name: section }).click();
    await expect(page.getByRole('heading', { level: 2, name: section })).toBeInViewport();
  }
});

test('the page of the API lists its operations', async ({ page, request }) => {
  expect((await page.goto('/api/docs'))?.status()).toBe(200);
  const document = await (await request.get('/api/v1/openapi.json')).json();
  for (const path of Object.keys(document.paths)) {
    await expect(page.getByText(path, { exact: true }).first()).toBeVisible();
  }
  await expect(page.getByText('/api/v1/tokens', { exact: true }).first()).toBeVisible();
});

test('what does not exist says so, with a way back', async ({ page }) => {
  await logIn(page, 'alice');
  for (const path of ['/no-such-page', '/tokens/00000000-0000-4000-8000-000000000000', '/tokens/not-an-id', '/admin']) {
    expect((await page.goto(path))?.status(), path).toBe(404);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await page.getByRole('link', { name: 'Back to your tokens' }).click();
    await expect(page).toHaveURL('/tokens');
  }
});

test('every problem of the API is explained at its address', async ({ page, request }) => {
  const problem = await (await request.get('/check')).json();
  expect((await page.goto(problem.type))?.status()).toBe(200);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(problem.title);
});

test('the keyboard reaches the content first', async ({ page }) => {
  await logIn(page, 'alice');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#main$/);
});

test('the theme is chosen and remembered @javascript', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await logIn(page, 'alice');
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Account of alice' }).click();
  await page.getByRole('button', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect.poll(ground).not.toBe(light);
  await page.goto('/help');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('nothing is wider than a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await logIn(page, 'alice');
  const { path } = await create(page, {
    name: 'averyveryveryveryveryveryverylongnamewithoutanyspaceinit',
    scopes: ['read:users', 'write:users', 'read:reports', 'write:reports'],
  });
  expect(await sideways(page), 'shown once').toBeLessThanOrEqual(0);
  const ofToken = [path, `${path}/edit`, `${path}/regenerate`, `${path}/revoke`];
  for (const place of ['/tokens', '/tokens/new', ...ofToken, '/activity', '/report', '/help', '/api/docs']) {
    await page.goto(place);
    expect(await sideways(page), place).toBeLessThanOrEqual(0);
  }
});

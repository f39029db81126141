import { expect, forgetSession, logIn, logInByHand, test } from '../support/test.ts';
import { check, createQuietly, revokeQuietly, unique } from '../support/tokens.ts';

test('everybody sees what happened in their own account, and nothing of others', async ({ page, pageOf }) => {
  await logIn(page, 'alice');
  const token = await createQuietly(page, { name: unique('own-matter') });
  await revokeQuietly(page, token);
  const foreign = await createQuietly(await pageOf('bob'), { name: unique('matter-of-bob') });

  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Activity' }).click();
  await expect(page).toHaveURL('/activity');
  const events = page.getByRole('listitem').filter({ hasText: token.name });
  await expect(events).toContainText(['Token revoked', 'Token created']);
  expect(await page.content()).not.toContain(foreign.name);

  await page.getByLabel('What happened').selectOption('Token created');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(/[?&]action=token\.created/);
  await expect(events).toHaveCount(1);
  await expect(events).toContainText('Token created');
  await events.getByRole('link', { name: token.name }).click();
  await expect(page).toHaveURL(token.path);
});

test('ending another session logs that browser out and no other', async ({ page, pageOf, request }) => {
  await logInByHand(page, 'alice');
  const other = await pageOf('alice', logInByHand);
  const { secret } = await createQuietly(other, { name: unique('made-elsewhere') });

  await page.goto('/activity');
  await expect(page.getByRole('listitem').filter({ hasText: 'This browser' }).getByRole('button')).toHaveCount(0);
  // The latest login stands first.
  await page.getByRole('listitem').filter({ hasText: 'Another browser' }).first().getByRole('button', { name: /^End/ }).click();
  await expect(page).toHaveURL('/activity?notice=sessions-ended');
  await expect(page.getByRole('status')).toContainText('Those browsers are logged out.');
  await expect(page.getByRole('listitem').filter({ hasText: 'Session ended' }).first()).toBeVisible();

  await other.goto('/tokens');
  await expect(other).toHaveURL(/\/login/);
  await page.goto('/tokens');
  await expect(page).toHaveURL('/tokens');
  expect((await check(request, secret)).status()).toBe(200);
});

test('all other sessions can be ended at once', async ({ page, pageOf }) => {
  await logInByHand(page, 'alice');
  const others = [await pageOf('alice'), await pageOf('alice', logInByHand)];
  forgetSession('alice');

  await page.goto('/activity');
  await page.getByRole('button', { name: 'End all other sessions' }).click();
  await expect(page.getByRole('status')).toContainText('Those browsers are logged out.');
  await expect(page.getByRole('listitem').filter({ hasText: 'This browser' })).toHaveCount(1);
  await expect(page.getByRole('listitem').filter({ hasText: 'Another browser' })).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'End all other sessions' })).toHaveCount(0);
  for (const other of others) {
    await other.goto('/tokens');
    await expect(other).toHaveURL(/\/login/);
  }
});

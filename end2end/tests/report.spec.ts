import { expect, test } from '../support/test.ts';
import { check, createQuietly, report, unique } from '../support/tokens.ts';

test('whoever finds a token can end it without an account, and its owner is told', async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const { name, secret } = await createQuietly(alice, { name: unique('in-a-repository') });
  expect((await check(request, secret)).status()).toBe(200);

  await page.goto('/help');
  await page.getByRole('contentinfo').getByRole('link', { name: 'Report a leak' }).click();
  await expect(page).toHaveURL('/report');
  await report(page, `config.yaml, line 12:\n  token: "${secret}"`);
  expect(await page.content()).not.toContain(secret.split('_')[2]);
  expect((await check(request, secret)).status()).toBe(401);

  await alice.goto('/tokens');
  const told = alice.getByRole('note').getByRole('listitem').filter({ hasText: name });
  await expect(told).toContainText(`Somebody who found it revoked ${name}`);
  await expect(told).toContainText('Reason: Leaked');
});

test('a text without a good token gets the same answer as a token', async ({ page, pageOf }) => {
  const { secret } = await createQuietly(await pageOf('alice'), { name: unique('reported-twice') });
  const answerTo = async (text: string) => {
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    await report(page, text);
    return { status: (await answer).status(), text: await page.getByRole('main').innerText() };
  };
  const good = await answerTo(secret);
  expect(good.status).toBe(200);
  expect(await answerTo(secret), 'ended').toEqual(good);
  expect(await answerTo(secret.replace(/.{7}$/, '0000000')), 'mistyped').toEqual(good);
  expect(await answerTo('Nothing of this is a token.'), 'no token').toEqual(good);
});

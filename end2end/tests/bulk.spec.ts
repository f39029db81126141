import { giveReason, goTo } from '../support/panel.ts';
import { expect, logIn, type Page, test } from '../support/test.ts';
import { check, createQuietly, revokeQuietly, submitUnchecked, unique } from '../support/tokens.ts';

/** What a person is told of what others did to their tokens. */
async function toldOf(page: Page, name: string): Promise<string> {
  await page.goto('/tokens');
  return page.getByRole('note').getByRole('listitem').filter({ hasText: name }).innerText();
}

test('all tokens that a search finds are revoked at once, and no others', async ({ page, pageOf, request }) => {
  const [alice, bob] = [await pageOf('alice'), await pageOf('bob')];
  const batch = unique('importer');
  const writing = { scopes: ['read:users', 'write:users'] };
  const doomed = [
    await createQuietly(alice, { name: `${batch}-one`, ...writing }),
    await createQuietly(alice, { name: 'described', description: `Part of ${batch}`, ...writing }),
    await createQuietly(bob, { name: `${batch}-three`, ...writing }),
  ];
  const spared = [
    await createQuietly(alice, { name: `${batch}-reading` }),
    await createQuietly(bob, { name: unique('of-another-project'), ...writing }),
  ];
  const over = await createQuietly(alice, { name: `${batch}-over`, ...writing });
  await revokeQuietly(alice, over);

  await logIn(page, 'admin', '/admin');
  await goTo(page, 'Tokens');
  await expect(page.getByRole('link', { name: 'Revoke all that match …' })).toHaveCount(0);
  await page.getByLabel('Name, owner, e-mail or id').fill(batch);
  await page.getByLabel('Scope', { exact: true }).selectOption('write:users');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/[?&]scope=write%3Ausers/);
  await page.getByRole('link', { name: 'Revoke all that match …' }).click();

  // What has ended before does not end again.
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 3 tokens?');
  await expect(page.getByRole('main')).toContainText(`This ends 3 tokens found by “${batch}”, with the scope write:users.`);
  const ending = page.getByRole('main').getByRole('listitem').filter({ hasText: 'never used' });
  await expect(ending.getByRole('link')).toHaveText(doomed.map(({ name }) => name).reverse());
  await expect(ending.filter({ hasText: `${batch}-three` })).toContainText('of bob');

  await giveReason(page, 'No longer needed', 'the import is done');
  const count = page.getByLabel('How many?');
  for (const wrong of ['4', 'three', '-3']) {
    await count.fill(wrong);
    expect(await submitUnchecked(page, 'Revoke 3 tokens'), wrong).toBe(422);
    await expect(count).toHaveAccessibleDescription(/would end now: 3\./);
    await expect(count).toHaveValue(wrong);
    await expect(page.getByRole('radio', { name: 'No longer needed' })).toBeChecked();
    await expect(page.getByLabel('In your words, if you like')).toHaveValue('the import is done');
    await expect(ending.getByRole('link')).toHaveCount(3);
  }
  for (const { secret } of [...doomed, ...spared]) expect((await check(request, secret)).status()).toBe(200);

  await count.fill('3');
  await page.getByRole('button', { name: 'Revoke 3 tokens' }).click();
  await expect(page.getByRole('status')).toContainText('3 tokens are revoked.');
  for (const { secret } of doomed) expect((await check(request, secret)).status()).toBe(401);
  for (const { secret } of spared) expect((await check(request, secret)).status()).toBe(200);

  expect(await toldOf(alice, `${batch}-one`)).toContain('Reason: No longer needed: the import is done.');
  expect(await toldOf(bob, `${batch}-three`)).toContain('Reason: No longer needed: the import is done.');
  await expect(bob.getByRole('note')).not.toContainText(spared[1].name);
});

test('a token that is made meanwhile is not revoked along with those that were counted', async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const batch = unique('growing');
  const first = await createQuietly(alice, { name: `${batch}-first` });
  await logIn(page, 'admin', `/admin/tokens/revoke?q=${batch}`);
  await giveReason(page, 'Another reason', '');
  await page.getByLabel('How many?').fill('1');

  const second = await createQuietly(alice, { name: `${batch}-second` });
  expect(await submitUnchecked(page, 'Revoke 1 token')).toBe(422);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 2 tokens?');
  await expect(page.getByLabel('How many?')).toHaveAccessibleDescription(/would end now: 2\./);
  for (const { secret } of [first, second]) expect((await check(request, secret)).status()).toBe(200);
});

test('of many tokens that would end, the first are named and all are counted', async ({ page, pageOf }) => {
  const alice = await pageOf('alice');
  const batch = unique('many');
  for (let place = 1; place <= 22; place += 1) await createQuietly(alice, { name: `${batch}-${place}` });
  await logIn(page, 'admin', `/admin/tokens/revoke?q=${batch}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 22 tokens?');
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(20);
  await expect(page.getByText('and 2 others', { exact: true })).toBeVisible();
  await expect(page.getByText('Please type 22,')).toBeVisible();
});

test('a search that finds nothing, or none at all, revokes nothing', async ({ page }) => {
  await logIn(page, 'admin', `/admin/tokens/revoke?q=${unique('nothing-is-called-so')}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Nothing to revoke');
  await expect(page.getByRole('button', { name: /^Revoke/ })).toHaveCount(0);

  // Without any filter it would be everything that there is.
  await page.goto('/admin/tokens/revoke');
  await expect(page).toHaveURL('/admin/tokens?notice=none-chosen');
  await expect(page.getByRole('status')).toContainText('Nothing was chosen.');
});

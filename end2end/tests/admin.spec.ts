import { readFile } from 'node:fs/promises';

import { sideways } from '../support/pages.ts';
import { giveReason, goTo, openUser } from '../support/panel.ts';
import { chooseDemoUser, expect, forgetSession, logIn, logInByHand, test } from '../support/test.ts';
import { check, createQuietly, identify, revokeQuietly, submitUnchecked, TOKEN_PAGE, unique } from '../support/tokens.ts';

test("an administrator finds somebody's token and revokes it, and its owner is told why", async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const { name, path, secret } = await createQuietly(alice, { name: unique('build-server') });
  await logIn(page, 'admin');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Admin' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Administration');
  await goTo(page, 'Tokens');
  await page.getByLabel('Name, owner, e-mail or id').fill('alice');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/[?&]q=alice/);
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
  await expect(row.getByRole('link', { name: 'alice', exact: true })).toBeVisible();
  await expect(row).toContainText('Active');
  await row.getByRole('link', { name, exact: true }).click();

  await expect(page).toHaveURL(`/admin${path}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
  await page.getByRole('link', { name: 'Revoke …' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Revoke ${name} of alice?`);
  await giveReason(page, 'Leaked', 'seen in a build log');
  expect((await check(request, secret)).status()).toBe(200);
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('status')).toContainText('The token is revoked.');
  await expect(page.getByRole('link', { name: 'Revoke …' })).toHaveCount(0);
  expect((await check(request, secret)).status()).toBe(401);

  await alice.goto('/tokens');
  const told = alice.getByRole('note').getByRole('listitem').filter({ hasText: name });
  await expect(told).toContainText(`An administrator revoked ${name}`);
  await expect(told).toContainText('Reason: Leaked: seen in a build log.');
  await told.getByRole('link', { name }).click();
  await expect(alice).toHaveURL(path);
  expect(alice.url()).toMatch(TOKEN_PAGE);
});

test('an administrator cannot revoke a token without saying why', async ({ page, pageOf, request }) => {
  const { id, secret } = await createQuietly(await pageOf('alice'), { name: unique('without-a-reason') });
  await logIn(page, 'admin', `/admin/tokens/${id}/revoke`);
  expect(await submitUnchecked(page, 'Revoke token')).toBe(422);
  await expect(page).toHaveTitle(/^Please check/);
  await expect(page.getByRole('group', { name: 'Why?' })).toHaveAccessibleDescription(/Please say why/);
  await page.getByRole('alert').getByRole('link', { name: /Please say why/ }).click();
  await expect(page).toHaveURL(/#reason$/);
  expect((await check(request, secret)).status()).toBe(200);
});

test('a token in a pasted line is recognised and can be revoked from there', async ({ page, pageOf, request }) => {
  const { name, id, secret } = await createQuietly(await pageOf('alice'), { name: unique('in-a-log') });
  await logIn(page, 'admin', '/admin');
  await goTo(page, 'Whose token?');
  await expect(page).toHaveURL('/admin/identify');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Whose token is this?');
  await identify(page, `14:05:09 GET /export.csv 200 "Authorization: Bearer ${secret}" curl/8.5`);

  const found = page.getByRole('status');
  await expect(found.getByRole('heading')).toHaveText([name]);
  await expect(found.getByRole('link', { name: 'alice', exact: true })).toBeVisible();
  await expect(found).toContainText('In use');
  await expect(page).toHaveURL('/admin/identify');
  await expect(page.getByLabel('What you have')).toHaveValue('');
  const content = await page.content();
  expect(content).not.toContain(secret.split('_')[2]);
  expect(content).not.toContain('export.csv');

  await found.getByRole('link', { name: 'Revoke …' }).click();
  await expect(page).toHaveURL(`/admin/tokens/${id}/revoke`);
  await giveReason(page, 'Leaked', '');
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('status')).toContainText('The token is revoked.');
  expect((await check(request, secret)).status()).toBe(401);
});

test('a text that names no token is said to name none', async ({ page }) => {
  await logIn(page, 'admin', '/admin/identify');
  await identify(page, 'Somebody said hpat_ was leaked.');
  await expect(page.getByRole('status')).toContainText('That names no token of this installation.');
  await expect(page.getByRole('link', { name: 'Revoke …' })).toHaveCount(0);
});

test('a pasted line says of each token in it what has become of it', async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const good = await createQuietly(alice, { name: unique('still-good') });
  const ended = await createQuietly(alice, { name: unique('long-over') });
  await revokeQuietly(alice, ended);
  expect((await check(request, good.secret)).status()).toBe(200);

  await logIn(page, 'admin');
  const found = (name: string) =>
    page.getByRole('status').locator('section').filter({ has: page.getByRole('heading', { name, exact: true }) });
  // What a check leaves behind is written a moment after it.
  await expect(async () => {
    await identify(page, `10.2.0.7 - - "GET /a?key=${good.secret}" 200, then "GET /b?key=${ended.secret}" 401`);
    await expect(found(good.name)).toContainText('from 127.0.0.1', { timeout: 100 });
  }).toPass();
  await expect(page.getByRole('status').getByRole('heading')).toHaveText([good.name, ended.name]);
  await expect(found(good.name)).toContainText('Active');
  await expect(found(good.name).getByRole('link', { name: 'Revoke …' })).toHaveCount(1);
  await expect(found(ended.name)).toContainText('Revoked');
  await expect(found(ended.name)).toContainText(/Last used\s*never/);
  await expect(found(ended.name).getByRole('link', { name: 'Revoke …' })).toHaveCount(0);
});

test("the page of anybody's token says what happened to it, and when and from where it was used", async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const { name, id, secret } = await createQuietly(alice, { name: unique('looked-at') });
  await logIn(page, 'admin', `/admin/tokens/${id}`);
  const fact = (term: string) => page.getByRole('term').filter({ hasText: term }).locator('xpath=following-sibling::dd');
  await expect(fact('Last used')).toHaveText('never');
  await expect(fact('Owner')).toContainText('alice');

  expect((await check(request, secret)).status()).toBe(200);
  await alice.goto(`/tokens/${id}/edit`);
  await alice.getByLabel('Name', { exact: true }).fill(`${name}-again`);
  await alice.getByRole('button', { name: 'Save changes' }).click();
  await expect(alice.getByRole('status')).toContainText('Your changes are saved.');

  // What a check leaves behind is written a moment after it.
  await expect(async () => {
    await page.reload();
    await expect(fact('Last used')).toContainText('from 127.0.0.1', { timeout: 100 });
  }).toPass();
  const made = page.getByRole('main').getByRole('listitem').filter({ hasText: 'In use, made' });
  await expect(made).toContainText(secret.split('_')[1]);
  await expect(made).not.toContainText('never');
  const history = page.getByRole('main').getByRole('listitem').filter({ hasText: name });
  await expect(history).toContainText(['Token edited', 'Token created']);
  await expect(history.first()).toContainText(`name: ${name} → ${name}-again`);
  await expect(history.last()).toContainText('alice · 127.0.0.1');
  expect(await page.content()).not.toContain(secret.split('_')[2]);

  await page.getByRole('link', { name: 'All of it in the audit log' }).click();
  await expect(page).toHaveURL(`/admin/audit?object=${id}`);
  await expect(page.getByText(`Only what is done to ${id}.`)).toBeVisible();
  await expect(page.getByRole('main').getByRole('listitem').filter({ hasText: name })).toHaveCount(2);
});

test('chosen tokens are revoked only after their number was typed', async ({ page, pageOf, request }) => {
  const alice = await pageOf('alice');
  const batch = unique('batch');
  const first = await createQuietly(alice, { name: `${batch}-first` });
  const second = await createQuietly(alice, { name: `${batch}-second` });
  const spared = await createQuietly(alice, { name: `${batch}-spared` });

  await logIn(page, 'admin', `/admin/tokens?q=${batch}`);
  for (const { name } of [first, second]) await page.getByRole('checkbox', { name: `Choose ${name}` }).check();
  await page.getByRole('button', { name: 'Revoke chosen …' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revoke 2 tokens?');
  const ending = page.getByRole('main').getByRole('listitem');
  await expect(ending).toHaveCount(2);
  await expect(ending.filter({ hasText: first.name })).toContainText('of alice');
  await expect(ending.filter({ hasText: second.name })).toContainText('of alice');

  await giveReason(page, 'No longer needed', 'the project is over');
  const count = page.getByLabel('How many?');
  await count.fill('3');
  expect(await submitUnchecked(page, 'Revoke 2 tokens')).toBe(422);
  await expect(page).toHaveTitle(/^Please check/);
  await expect(count).toHaveAttribute('aria-invalid', 'true');
  await expect(count).toHaveAccessibleDescription(/would end now: 2\./);
  await expect(count).toHaveValue('3');
  await expect(page.getByRole('radio', { name: 'No longer needed' })).toBeChecked();
  await expect(page.getByLabel('In your words, if you like')).toHaveValue('the project is over');
  await page.getByRole('alert').getByRole('link', { name: /would end now: 2\./ }).click();
  await expect(page).toHaveURL(/#confirm$/);
  for (const { secret } of [first, second, spared]) expect((await check(request, secret)).status()).toBe(200);

  await count.fill('2');
  await page.getByRole('button', { name: 'Revoke 2 tokens' }).click();
  await expect(page).toHaveURL(`/admin/tokens?q=${batch}&notice=revoked-2`);
  await expect(page.getByRole('status')).toContainText('2 tokens are revoked.');
  for (const { secret } of [first, second]) expect((await check(request, secret)).status()).toBe(401);
  expect((await check(request, spared.secret)).status()).toBe(200);
});

test('somebody who is disabled is out until they are enabled again', async ({ page, pageOf, request }) => {
  const bob = await pageOf('bob');
  forgetSession('bob');
  const { secret } = await createQuietly(bob, { name: unique('of-bob') });

  await logIn(page, 'admin', '/admin');
  await goTo(page, 'Users');
  await page.getByLabel('Name or e-mail').fill('bob@demo');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/[?&]q=bob/);
  await page.getByRole('table', { name: 'Users' }).getByRole('link', { name: 'bob', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('bob');
  await page.getByRole('link', { name: 'Disable …' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Disable bob?');
  await page.getByLabel('Why, if you like').fill('a laptop was stolen');
  await page.getByRole('button', { name: 'Disable user' }).click();
  await expect(page.getByRole('status')).toContainText('The user is disabled.');
  const event = page.getByRole('listitem').filter({ hasText: 'User disabled' }).first();
  await expect(event).toContainText('Reason: a laptop was stolen');

  expect((await check(request, secret)).status()).toBe(401);
  await bob.goto('/tokens');
  await expect(bob).toHaveURL(/\/login/);
  await bob.goto('/auth/demo/login');
  await chooseDemoUser(bob, 'bob');
  await expect(bob.getByRole('alert')).toContainText('Your account is disabled');

  await page.getByRole('button', { name: 'Enable' }).click();
  await expect(page.getByRole('status')).toContainText('The user is enabled.');
  await expect(page.getByRole('link', { name: 'Disable …' })).toBeVisible();
  await logIn(bob, 'bob');
  expect((await check(request, secret)).status()).toBe(200);
});

test("an administrator ends somebody's sessions, one or all, and that person has to log in again", async ({ page, pageOf, request }) => {
  forgetSession('bob');
  const first = await pageOf('bob', logInByHand);
  const second = await pageOf('bob', logInByHand);
  const { secret } = await createQuietly(first, { name: unique('kept-by-bob') });

  await logIn(page, 'admin');
  await openUser(page, 'bob');
  // The latest login stands first.
  const sessions = page.getByRole('listitem').filter({ hasText: 'Browser session' });
  await sessions.first().getByRole('button', { name: /^End/ }).click();
  await expect(page).toHaveURL(/\?notice=sessions-ended$/);
  await expect(page.getByRole('status')).toContainText('Those browsers are logged out.');
  await second.goto('/tokens');
  await expect(second).toHaveURL(/\/login\?return_to=%2Ftokens$/);
  await first.goto('/tokens');
  await expect(first).toHaveURL('/tokens');

  await page.getByRole('button', { name: 'End all sessions' }).click();
  await expect(page.getByText('Not logged in anywhere.')).toBeVisible();
  await expect(sessions).toHaveCount(0);
  await first.goto('/tokens');
  await expect(first).toHaveURL(/\/login/);
  expect((await check(request, secret)).status()).toBe(200);

  await page.getByRole('link', { name: 'All of it in the audit log' }).click();
  await expect(page.getByText('Only what is about the user bob.')).toBeVisible();
  await page.getByLabel('Action', { exact: true }).selectOption('Session ended');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(/[?&]user=[0-9a-f-]{36}/);
  const ended = page.getByRole('main').getByRole('listitem').filter({ hasText: 'admin · 127.0.0.1' });
  await expect(ended.nth(1)).toContainText('Session ended');

  await logInByHand(second, 'bob', '/activity?action=session.ended');
  await expect(second.getByRole('main').getByRole('listitem').filter({ hasText: 'Session ended' }).first()).toContainText('An administrator');
});

test('administrators cannot disable themselves, and are told why', async ({ page }) => {
  await logIn(page, 'admin');
  await openUser(page, 'admin');
  await expect(page.getByText('This is you. Nobody can disable themselves.')).toBeVisible();
  await expect(page.getByRole('link', { name: 'Disable …' })).toHaveCount(0);

  // Whoever comes by the address all the same is told at once.
  expect((await page.goto(`${page.url()}/disable`))?.status()).toBe(409);
  await expect(page.getByRole('alert')).toContainText('You cannot disable yourself: nobody might be left to let you in again.');
  await expect(page.getByRole('button', { name: 'Disable user' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Back to the user' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('admin');
  await openUser(page, 'admin');
  await expect(page.getByRole('definition').filter({ hasText: 'Enabled' })).toBeVisible();
});

test('the audit log can be narrowed to an action and taken away as a file', async ({ page, pageOf }) => {
  const alice = await pageOf('alice');
  const token = await createQuietly(alice, { name: unique('written-down') });
  await revokeQuietly(alice, token);

  await logIn(page, 'admin', '/admin');
  await goTo(page, 'Audit log');
  const events = page.getByRole('main').getByRole('listitem');
  await expect(events.filter({ hasText: token.name })).toContainText(['Token revoked', 'Token created']);
  await page.getByLabel('Action', { exact: true }).selectOption('Token revoked');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(/[?&]action=token\.revoked/);
  await expect(page.getByLabel('Action', { exact: true })).toHaveValue('token.revoked');
  await expect(events.filter({ hasText: token.name })).toHaveCount(1);
  await expect(events.filter({ hasNotText: 'Token revoked' })).toHaveCount(0);

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export as JSON Lines' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('audit.jsonl');
  const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n');
  const exported: { action: string; object: { id: string } }[] = lines.map((line) => JSON.parse(line));
  expect(new Set(exported.map(({ action }) => action))).toEqual(new Set(['token.revoked']));
  expect(exported.filter(({ object }) => object.id === token.id)).toHaveLength(1);

  await page.goto('/admin/audit?action=audit.exported');
  await expect(events.first()).toContainText('Log exported');
});

test('whoever is no administrator finds nothing of the panel', async ({ page }) => {
  await logIn(page, 'alice');
  const { id } = await createQuietly(page, { name: unique('not-for-the-panel') });
  await expect(page.getByRole('navigation', { name: 'Main' }).getByRole('link')).toHaveText(['Tokens', 'Activity', 'Help']);
  const places = ['', '/tokens', `/tokens/${id}`, '/tokens/revoke?user=alice', '/users', '/audit', '/identify'];
  for (const place of places) {
    const answer = await page.goto(`/admin${place}`);
    expect(answer?.status(), place).toBe(404);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('There is nothing here');
  }
});

test('nothing in the panel is wider than a phone', async ({ page, pageOf }) => {
  const { id } = await createQuietly(await pageOf('alice'), {
    name: 'averyveryveryveryveryveryverylongnamewithoutanyspaceinit',
    scopes: ['read:users', 'write:users', 'read:reports', 'write:reports'],
  });
  await page.setViewportSize({ width: 390, height: 844 });
  await logIn(page, 'admin', '/admin/users?q=alice');
  const user = await page.getByRole('link', { name: 'alice', exact: true }).getAttribute('href');
  const lists = ['/admin', '/admin/tokens?q=alice', '/admin/users', '/admin/audit', '/admin/identify'];
  const endings = [`/admin/tokens/${id}/revoke`, '/admin/tokens/revoke?user=alice', `${user}/disable`];
  for (const place of [...lists, `/admin/tokens/${id}`, `${user}`, ...endings]) {
    await page.goto(place);
    expect(await sideways(page), place).toBeLessThanOrEqual(0);
  }
});

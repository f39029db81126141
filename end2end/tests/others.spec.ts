import { expect, logIn, test } from '../support/test.ts';
import { check, createQuietly } from '../support/tokens.ts';

test("somebody else's token does not exist", async ({ page, pageOf, request }) => {
  await logIn(page, 'alice');
  const { id, path, secret } = await createQuietly(page, { name: 'private-matter' });
  const bob = await pageOf('bob');
  for (const place of [path, `${path}/edit`, `${path}/regenerate`, `${path}/revoke`]) {
    const answer = await bob.goto(place);
    expect(answer?.status(), place).toBe(404);
    expect(await bob.content()).not.toContain('private-matter');
  }

  // Bob's own form, aimed at Alice's token.
  const own = await createQuietly(bob, { name: 'own-matter' });
  await bob.goto(`${own.path}/edit`);
  const form = bob.locator('form', { has: bob.getByRole('button', { name: 'Save changes' }) });
  await form.evaluate((element, target) => element.setAttribute('action', target), `${path}/edit`);
  await bob.getByLabel('Name', { exact: true }).fill('taken over');
  const answer = bob.waitForResponse((response) => response.request().method() === 'POST');
  await bob.getByRole('button', { name: 'Save changes' }).click();
  expect((await answer).status()).toBe(404);

  await bob.goto(`${own.path}/revoke`);
  await bob.locator('form input[name=id]').evaluate((field, value) => field.setAttribute('value', value), id);
  await bob.getByRole('button', { name: 'Revoke token' }).click();
  await bob.waitForLoadState();
  expect((await check(request, secret)).status()).toBe(200);
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('private-matter');
});

test('a form from another server on the same host changes nothing', async ({ page, context, request }) => {
  await logIn(page, 'alice');
  const { path, secret } = await createQuietly(page, { name: 'guarded' });
  // The same site, so that the browser sends the cookie: only the origin tells the two apart.
  const neighbour = 'http://localhost:65000/';
  await context.route(neighbour, (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><title>Neighbour</title><form method="post" action="${new URL(`${path}/edit`, page.url())}">
        <input name="name" value="stolen"><input name="scope" value="read:users"><button>Win</button></form>`,
    }),
  );
  const attacker = await context.newPage();
  await attacker.goto(neighbour);
  const answer = attacker.waitForResponse((response) => response.request().method() === 'POST');
  await attacker.getByRole('button', { name: 'Win' }).click();
  expect((await answer).status()).toBe(403);
  await page.goto(path);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('guarded');
  expect((await check(request, secret)).status()).toBe(200);
});

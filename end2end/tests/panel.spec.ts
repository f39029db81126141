import { sideways } from '../support/pages.ts';
import { expect, logIn, type Page, test } from '../support/test.ts';
import { createQuietly, revokeQuietly, unique } from '../support/tokens.ts';

type Locator = ReturnType<Page['locator']>;

async function box(of: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
  const found = await of.boundingBox();
  if (!found) throw new Error('nothing to be seen');
  return found;
}

const PHONE = { width: 390, height: 844 };

test('the panel fits a phone, with its places in one row', async ({ page }) => {
  await page.setViewportSize(PHONE);
  await logIn(page, 'admin', '/admin');
  for (const place of ['/admin', '/admin/tokens', '/admin/users', '/admin/audit', '/admin/audit?since=soon', '/admin/identify']) {
    await page.goto(place);
    expect(await sideways(page), place).toBeLessThanOrEqual(0);
    const places = page.getByRole('navigation', { name: 'Administration' }).getByRole('link');
    const rows = await places.evaluateAll((links) => links.map((link) => link.getBoundingClientRect().top));
    expect(new Set(rows).size, place).toBe(1);
  }
});

test('everything in the panel begins at the same edge', async ({ page }) => {
  await logIn(page, 'admin', '/admin/tokens');
  const edge = (await box(page.getByRole('heading', { level: 1 }))).x;
  expect((await box(page.getByRole('navigation', { name: 'Administration' }))).x).toBe(edge);
  expect((await box(page.getByLabel('Name, owner, e-mail or id'))).x).toBe(edge);
});

test('a choice leaves room between its words and its arrow', async ({ page }) => {
  await logIn(page, 'admin', '/admin/audit');
  const room = await page.getByLabel('Action', { exact: true }).evaluate((select) => getComputedStyle(select).paddingInlineEnd);
  expect(Number.parseFloat(room)).toBeGreaterThanOrEqual(32);
});

test('on a phone the times of the log stand beside each other, and the way out beside the button', async ({ page }) => {
  await page.setViewportSize(PHONE);
  await logIn(page, 'admin', '/admin/audit?action=token.created');
  const [from, to] = [await box(page.getByLabel('From', { exact: true })), await box(page.getByLabel('To', { exact: true }))];
  expect([to.y, to.width]).toEqual([from.y, from.width]);
  const [show, all] = [await box(page.getByRole('button', { name: 'Show' })), await box(page.getByRole('link', { name: 'Show all' }))];
  expect(all.y).toBe(show.y);
});

test('a box that chooses a token is easy to hit, and on a phone stands beside the name', async ({ page, pageOf }) => {
  const alice = await pageOf('alice');
  const batch = unique('on-a-phone');
  const token = await createQuietly(alice, { name: `${batch}-good` });
  const over = await createQuietly(alice, { name: `${batch}-over` });
  await revokeQuietly(alice, over);
  await logIn(page, 'admin', `/admin/tokens?q=${batch}`);
  const tick = page.locator('label').filter({ hasText: `Choose ${token.name}` });
  for (const size of [{ width: 1280, height: 900 }, PHONE]) {
    await page.setViewportSize(size);
    const target = await box(tick);
    expect(Math.min(target.width, target.height), `${size.width}`).toBeGreaterThanOrEqual(40);
    const name = await box(page.getByRole('link', { name: token.name }));
    expect(Math.abs(target.y - name.y), `${size.width}`).toBeLessThanOrEqual(4);
    await tick.click({ position: { x: 2, y: 2 } });
    await expect(page.getByRole('checkbox', { name: `Choose ${token.name}` })).toBeChecked({ checked: size !== PHONE });
  }
  // Where there is nothing to choose, nothing is left out.
  const card = await box(page.getByRole('row').filter({ hasText: over.name }));
  const name = await box(page.getByRole('link', { name: over.name }));
  expect(name.y - card.y).toBeLessThanOrEqual(16);
});

test('on a phone the quiet way out of a form begins under its button', async ({ page }) => {
  await page.setViewportSize(PHONE);
  await logIn(page, 'alice');
  const { path } = await createQuietly(page, { name: unique('kept') });
  await page.goto(`${path}/regenerate`);
  const [button, way] = [page.getByRole('button', { name: 'Regenerate token' }), page.getByRole('link', { name: 'Keep the old secret' })];
  const [above, below] = [await box(button), await box(way)];
  expect(below.y).toBeGreaterThan(above.y);
  const padding = await way.evaluate((link) => Number.parseFloat(getComputedStyle(link).paddingInlineStart));
  expect(below.x + padding).toBe(above.x);
});

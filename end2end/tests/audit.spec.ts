import { readFile } from 'node:fs/promises';

import { giveReason, goTo, openUser } from '../support/panel.ts';
import { expect, logIn, type Page, test } from '../support/test.ts';
import { type CreatedToken, createQuietly, revokeQuietly, unique } from '../support/tokens.ts';

/** A date, so many days from now, as fields for dates have it. */
function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}

/** Takes the log away as a file: its name, its media type and what it holds. */
async function exported(page: Page, format: string): Promise<{ file: string; text: string }> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: `Export as ${format}` }).click(),
  ]);
  return { file: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') };
}

/** The rows of a table as RFC 4180 has them, each with the names of its columns. */
function rowsOf(csv: string): Record<string, string>[] {
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/gy;
  const [rows, row]: [string[][], string[]] = [[], []];
  for (const [, text, end] of csv.matchAll(cell)) {
    row.push(text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
    if (end === '\r\n') rows.push(row.splice(0));
  }
  const [head, ...events] = rows;
  return events.map((cells) => Object.fromEntries(head.map((name, place) => [name, cells[place]])));
}

test('the audit log is taken away as a table and as lines, both only what the filter leaves', async ({ page, pageOf }) => {
  const [alice, bob] = [await pageOf('alice'), await pageOf('bob')];
  const [ofAlice, ofBob] = [unique('of-alice'), unique('of-bob')];
  await revokeQuietly(alice, await createQuietly(alice, { name: ofAlice }));
  const token = await createQuietly(bob, { name: ofBob });
  await revokeQuietly(bob, token);

  await logIn(page, 'admin');
  await openUser(page, 'bob');
  await page.getByRole('link', { name: 'All of it in the audit log' }).click();
  await page.getByLabel('Action', { exact: true }).selectOption('Token revoked');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('main').getByRole('listitem').first()).toContainText(ofBob);

  const lines = await exported(page, 'JSON Lines');
  expect(lines.file).toBe('audit.jsonl');
  const events = lines.text.trimEnd().split('\n').map((line) => JSON.parse(line));
  expect(new Set(events.map(({ action }) => action))).toEqual(new Set(['token.revoked']));
  expect(events.filter(({ object }) => object.id === token.id)).toHaveLength(1);
  expect(lines.text).not.toContain(ofAlice);

  const table = await exported(page, 'CSV');
  expect(table.file).toBe('audit.csv');
  const rows = rowsOf(table.text);
  expect(rows.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  const row = rows.find(({ object_id }) => object_id === token.id);
  expect(row).toMatchObject({ action: 'token.revoked', actor_name: 'bob', object_name: ofBob, result: 'done' });
  expect(table.text).not.toContain(ofAlice);
});

test('what people typed is no formula in a table, and as it was in lines', async ({ page, pageOf }) => {
  const alice = await pageOf('alice');
  const names = ['=HYPERLINK("https://evil.example";"pay")', '+1+2', '-1-2', '@SUM(1)'].map((name) => unique(name));
  const made: CreatedToken[] = [];
  for (const name of names) made.push(await createQuietly(alice, { name }));
  await logIn(page, 'admin', `/admin/tokens/${made[0].id}/revoke`);
  await giveReason(page, 'Another reason', '=cmd|calc');
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await expect(page.getByRole('status')).toContainText('The token is revoked.');

  await goTo(page, 'Audit log');
  const table = await exported(page, 'CSV');
  const rows = rowsOf(table.text);
  for (const [place, { id }] of made.entries()) {
    const created = rows.find(({ action, object_id }) => action === 'token.created' && object_id === id);
    expect(created?.object_name).toBe(`'${names[place]}`);
  }
  const revoked = rows.find(({ action, object_id }) => action === 'token.revoked' && object_id === made[0].id);
  expect(revoked?.reason).toBe("'=cmd|calc");
  expect(rows.flatMap((row) => Object.values(row)).filter((cell) => /^[=+\-@\t\r\n]/.test(cell))).toEqual([]);

  const lines = await exported(page, 'JSON Lines');
  const events = lines.text.trimEnd().split('\n').map((line) => JSON.parse(line));
  const kept = made.map(({ id }) => events.find(({ action, object }) => action === 'token.created' && object.id === id).object.name);
  expect(kept).toEqual(names);
});

test('the audit log is narrowed to a time, which stays in the address', async ({ page, pageOf }) => {
  const [yesterday, later] = [day(-1), day(2)];
  const token = await createQuietly(await pageOf('alice'), { name: unique('made-today') });
  await logIn(page, 'admin', '/admin/audit');
  const created = page.getByRole('main').getByRole('listitem').filter({ hasText: token.name });
  const [from, to] = [page.getByLabel('From', { exact: true }), page.getByLabel('To', { exact: true })];
  await expect(created).toHaveCount(1);

  await from.fill(yesterday);
  await to.fill(later);
  await page.getByLabel('Action', { exact: true }).selectOption('Token created');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(new RegExp(`[?&]since=${yesterday}&until=${later}$`));
  await expect(from).toHaveValue(yesterday);
  await expect(to).toHaveValue(later);
  await expect(created).toHaveCount(1);

  // What is looked at is what is taken away.
  expect((await exported(page, 'CSV')).text).toContain(token.name);

  await from.fill('');
  await to.fill(yesterday);
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(new RegExp(`[?&]until=${yesterday}$`));
  await expect(page.getByText('Nothing of that kind has happened.')).toBeVisible();
  await expect(page.getByRole('main').getByRole('listitem')).toHaveCount(0);
  expect(rowsOf((await exported(page, 'CSV')).text)).toEqual([]);

  await from.fill(later);
  await to.fill('');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(new RegExp(`[?&]since=${later}&until=$`));
  await expect(page.getByText('Nothing of that kind has happened.')).toBeVisible();

  await page.getByRole('link', { name: 'Show all' }).click();
  await expect(page).toHaveURL('/admin/audit');
  await expect(created).toHaveCount(1);
});

for (const [field, label, value] of [['since', 'From', 'the-day-before'], ['until', 'To', '2026-02-30']]) {
  test(`a time that is none is explained beside its field, and nothing is shown as if it were: ${field}`, async ({ page }) => {
    await logIn(page, 'admin');
    const answer = await page.goto(`/admin/audit?action=token.created&result=done&${field}=${value}`);
    expect(answer?.status()).toBe(422);
    await expect(page).toHaveTitle(/^Please check/);
    const mistake = page.getByRole('alert').getByRole('link');
    await expect(mistake).toHaveText(new RegExp(`^${label}: Please give a time`));
    await mistake.click();
    await expect(page).toHaveURL(new RegExp(`#${field}$`));
    const wrong = page.getByLabel(label, { exact: true });
    await expect(wrong).toHaveValue(value);
    await expect(wrong).toHaveAttribute('aria-invalid', 'true');
    await expect(wrong).toHaveAccessibleDescription(/^Please give a time/);
    await expect(page.getByLabel('Action', { exact: true })).toHaveValue('token.created');
    await expect(page.getByLabel('Result', { exact: true })).toHaveValue('done');

    // Nobody has looked: there is nothing to say of the log, and nothing to take away.
    await expect(page.getByText('Nothing of that kind has happened.')).toHaveCount(0);
    await expect(page.getByRole('main').locator('ol > li')).toHaveCount(0);
    await expect(page.getByRole('button', { name: /^Export/ })).toHaveCount(0);
  });
}

test('a span and an instant narrow the log, and stay when it is narrowed further', async ({ page }) => {
  await logIn(page, 'admin', '/admin/audit?since=7d&until=2999-01-01T00:00:00Z');
  const [from, to] = [page.getByLabel('From', { exact: true }), page.getByLabel('To', { exact: true })];
  await expect(from).toHaveValue('7d');
  await page.getByLabel('Action', { exact: true }).selectOption('Logged in');
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page).toHaveURL(/[?&]since=7d&until=2999-01-01T00%3A00%3A00Z$/);
  await expect(from).toHaveValue('7d');
  await expect(to).toHaveValue('2999-01-01T00:00:00Z');
  await expect(page.getByRole('main').getByRole('listitem').first()).toContainText('Logged in');
});

// What people do with tokens, in the words of the portal.

import type { APIRequestContext, APIResponse } from '@playwright/test';

import { expect, type Page } from './test.ts';

export const TOKEN = /^hpat_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}$/;
export const TOKEN_PAGE = /\/tokens\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A name that no other story gives, nor another run of the same one. */
export const unique = (name: string) => `${name}-${crypto.randomUUID().slice(0, 8)}`;

export interface NewToken {
  name: string;
  description?: string;
  scopes?: string[];
  /** A number of days, `date` or `never`. */
  lifetime?: string;
  /** What goes with `date`. */
  date?: string;
}

export interface CreatedToken {
  name: string;
  secret: string;
  /** The path of its page. */
  path: string;
  id: string;
}

/** Fills in the form for a new token, which has to be open. */
export async function fillIn(page: Page, token: NewToken): Promise<void> {
  await page.getByLabel('Name', { exact: true }).fill(token.name);
  await page.getByLabel('What it is for').fill(token.description ?? '');
  for (const scope of token.scopes ?? ['read:users']) {
    await page.locator(`input[name=scope][value="${scope}"]`).check();
  }
  await page.locator(`input[name=lifetime][value="${token.lifetime ?? '30'}"]`).check();
  if (token.date !== undefined) await page.locator('input[name=date]').fill(token.date);
}

/** Makes a token, and leaves the page open that shows it once. */
export async function create(page: Page, token: NewToken): Promise<CreatedToken> {
  await page.goto('/tokens/new');
  await fillIn(page, token);
  await page.getByRole('button', { name: 'Create token' }).click();
  return { name: token.name, ...(await shownOnce(page, 'Your new token')) };
}

/** Makes a token for whoever is logged in on the page, without any form: for stories that begin after that. */
export async function createQuietly(page: Page, token: NewToken): Promise<CreatedToken> {
  const { name, description, scopes = ['read:users'], lifetime = '30' } = token;
  const answer = await post(page, '/api/v1/tokens', { name, description, scopes, expires_in: `${lifetime}d` });
  expect(answer.status()).toBe(201);
  const created = await answer.json();
  return { name, secret: created.secret, path: `/tokens/${created.token.id}`, id: created.token.id };
}

/** Ends a token, without any form. */
export async function revokeQuietly(page: Page, { id }: CreatedToken): Promise<void> {
  expect((await post(page, `/api/v1/tokens/${id}/revoke`, {})).status()).toBe(204);
}

/** The session's cookie counts only for our own pages, which is what the origin says. */
function post(page: Page, path: string, data: object): Promise<APIResponse> {
  return page.request.post(path, { data, headers: { origin: new URL(page.url()).origin } });
}

/** Reads the page that shows a token once. */
export async function shownOnce(page: Page, title: string): Promise<{ secret: string; path: string; id: string }> {
  await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible();
  const secret = await page.getByLabel('Token', { exact: true }).inputValue();
  expect(secret).toMatch(TOKEN);
  const path = (await page.getByRole('link', { name: 'I have stored it' }).getAttribute('href')) ?? '';
  expect(path).toMatch(TOKEN_PAGE);
  return { secret, path, id: path.split('/').at(-1) ?? '' };
}

/** Hands in a text that may hold a token, as whoever found it does. */
export async function report(page: Page, text: string): Promise<void> {
  await page.goto('/report');
  await page.getByLabel('The token', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Revoke it' }).click();
  await expect(page.getByRole('status')).toContainText('Thank you.');
}

/** Asks whose token a text names, as administrators do. */
export async function identify(page: Page, text: string): Promise<void> {
  await page.goto('/admin/identify');
  await page.getByLabel('What you have').fill(text);
  await page.getByRole('button', { name: 'Find out' }).click();
  await expect(page.getByRole('status')).toBeVisible();
}

/** Asks the server about a token, as a proxy would. */
export function check(request: APIRequestContext, secret: string, query = ''): Promise<APIResponse> {
  return request.get(`/check${query}`, { headers: { authorization: `Bearer ${secret}` } });
}

/** Sends the form around a button as a browser without its own validation would, and gives the status of the answer. */
export async function submitUnchecked(page: Page, button: string): Promise<number> {
  const form = page.locator('form').filter({ has: page.getByRole('button', { name: button }) });
  await form.evaluate((element: HTMLFormElement) => (element.noValidate = true));
  const answer = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.getByRole('button', { name: button }).click();
  const status = (await answer).status();
  await page.waitForLoadState();
  return status;
}

// What administrators do, in the words of the panel.

import { expect, type Page } from './test.ts';

/** Goes to a place of the panel. */
export async function goTo(page: Page, place: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Administration' }).getByRole('link', { name: place, exact: true }).click();
}

/** Opens the page of a user, from wherever it is. */
export async function openUser(page: Page, name: string): Promise<void> {
  await page.goto(`/admin/users?q=${name}`);
  await page.getByRole('table', { name: 'Users' }).getByRole('link', { name, exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(name);
}

/** Says why something is revoked. */
export async function giveReason(page: Page, code: string, words: string): Promise<void> {
  await page.getByRole('group', { name: 'Why?' }).getByRole('radio', { name: code }).check();
  await page.getByLabel('In your words, if you like').fill(words);
}

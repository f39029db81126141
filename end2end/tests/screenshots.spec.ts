import { join } from 'node:path';

import { startDemo } from '../support/hallpass.ts';
import { open, PAGES, withTokens } from '../support/pages.ts';
import { chooseDemoUser, test } from '../support/test.ts';

const FOLDER = join(import.meta.dirname, '../screenshots');
const SIZES = [
  { width: 390, height: 844 },
  { width: 1280, height: 900 },
];

// Pictures to look at, not to compare: what has to hold is said in words elsewhere.
for (const subject of PAGES) {
  test(`picture of ${subject.name} @javascript`, async ({ page }) => {
    test.skip(process.env.PICTURES !== '1', 'only with PICTURES=1: nobody looks at them in passing');
    await open(page, subject);
    for (const size of SIZES) {
      await page.setViewportSize(size);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.screenshot({ path: join(FOLDER, `${subject.name}-${size.width}-${colorScheme}.png`), fullPage: true, animations: 'disabled' });
      }
    }
  });
}

test('picture for the documentation @javascript', async ({ browser }) => {
  test.skip(process.env.UPDATE_SCREENSHOT !== '1', 'only with UPDATE_SCREENSHOT=1');
  const fresh = await startDemo();
  try {
    const page = await browser.newPage({ baseURL: fresh.url, colorScheme: 'light', viewport: { width: 1280, height: 720 } });
    await page.goto('/auth/demo/login');
    await chooseDemoUser(page, 'alice');
    await withTokens(page);
    await page.screenshot({ path: join(import.meta.dirname, '../../docs/screenshot.png'), animations: 'disabled' });
    await page.close();
  } finally {
    await fresh.stop();
  }
});

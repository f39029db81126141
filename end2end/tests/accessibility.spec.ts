import { AxeBuilder } from '@axe-core/playwright';

import { open, PAGES } from '../support/pages.ts';
import { expect, test } from '../support/test.ts';

// axe is a script itself. Where the story is about no JavaScript, it looks at pages whose own scripts never arrive.
test.use({ javaScriptEnabled: true });

for (const subject of PAGES) {
  test(`axe finds nothing on ${subject.name}, in light and in dark`, async ({ page, context, problems }) => {
    const withoutScripts = test.info().project.name === 'no-javascript';
    if (withoutScripts) {
      await context.route('**/*', (route) => (route.request().resourceType() === 'script' ? route.abort() : route.fallback()));
    }
    await open(page, subject);
    // What is dark differs in its colours alone, and those are the same whether scripts arrive or not.
    const schemes = withoutScripts ? (['light'] as const) : (['light', 'dark'] as const);
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // Colours change in a transition, however short. One that is replaced by another on the way ends as aborted.
      await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
      // The old mode differs only for frames, of which there are none, and saves opening a page for each run.
      const axe = new AxeBuilder({ page }).setLegacyMode();
      if (colorScheme === 'dark') axe.withRules(['color-contrast', 'link-in-text-block']);
      const { violations } = await axe.analyze();
      const found = violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
      expect(found, colorScheme).toEqual([]);
    }
    if (withoutScripts) problems.length = 0;
  });
}

import { expect, logIn, test } from '../support/test.ts';

const LIMIT = 150 * 1024;

test('the first page brings at most 150 KB of code and style @javascript', async ({ page, browser, baseURL }) => {
  await logIn(page, 'alice');
  // The same person in a browser that has never been here.
  const context = await browser.newContext({ baseURL, storageState: await page.context().storageState() });
  const first = await context.newPage();
  const session = await context.newCDPSession(first);
  await session.send('Network.enable');
  const addresses = new Map<string, string>();
  const weights: Record<string, number> = {};
  session.on('Network.responseReceived', ({ requestId, response }) => addresses.set(requestId, response.url));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const { pathname } = new URL(addresses.get(requestId) ?? 'about:blank');
    if (/\.(wasm|js|css)$/.test(pathname)) weights[pathname] = encodedDataLength;
  });
  await first.goto('/tokens', { waitUntil: 'networkidle' });
  await context.close();

  const kinds = new Set(Object.keys(weights).map((path) => path.split('.').at(-1)));
  expect([...kinds].sort()).toEqual(['css', 'js', 'wasm']);
  const sum = Object.values(weights).reduce((total, weight) => total + weight, 0);
  test.info().annotations.push({ type: 'weight', description: `${sum} bytes: ${JSON.stringify(weights)}` });
  expect(sum, JSON.stringify(weights)).toBeLessThanOrEqual(LIMIT);
});

test('without its WebAssembly the page can still be read and used @javascript', async ({ page, context, problems }) => {
  await context.route('**/*.wasm', (route) => route.abort());
  await logIn(page, 'alice');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Tokens');
  await page.goto('/tokens/new');
  await page.getByLabel('Name', { exact: true }).fill('without-wasm');
  await page.locator('input[name=scope][value="read:users"]').check();
  await page.getByRole('button', { name: 'Create token' }).click();
  await expect(page.getByLabel('Token', { exact: true })).toHaveValue(/^hpat_/);
  // That the file is missing may be complained about; nothing else.
  const own = problems.splice(0).filter((problem) => !/wasm|fetch/i.test(problem));
  expect(own).toEqual([]);
});

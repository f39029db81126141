import { existsSync } from 'node:fs';

import { defineConfig, devices } from '@playwright/test';

// Run from the root as `npx playwright test -c end2end`. The server under test is HALLPASS_BIN, by default the debug
// build. Every story is told twice, with and without JavaScript.
const chromium = process.env.CHROMIUM_BIN ?? '/usr/bin/chromium';

const chrome = {
  ...devices['Desktop Chrome'],
  viewport: { width: 1280, height: 900 },
  launchOptions: {
    executablePath: existsSync(chromium) ? chromium : undefined,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
};

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  // Far more than anything takes, because a busy machine is no mistake of ours.
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [['list'], ['html', { outputFolder: 'report', open: 'never' }]],
  // Traces make everything half as fast: only when somebody asks for them.
  use: { trace: process.env.TRACE === '1' ? 'retain-on-failure' : 'off', navigationTimeout: 30_000, actionTimeout: 30_000 },
  projects: [
    { name: 'javascript', use: chrome },
    { name: 'no-javascript', use: { ...chrome, javaScriptEnabled: false }, grepInvert: /@javascript/ },
  ],
});

// A real Chromium on the page of a real app, signed in by a one-use link as a person would be.
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { createTestApp, type TestApp, type TestAppOptions } from '../helpers/test-app.js';

let browser: Browser;

/** One browser for a file of tests; each test gets a profile of its own. */
export function useBrowser(): void {
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
    });
  });
  afterAll(() => browser.close());
}

/** A page of a fresh profile. What its console and its policy complain about fails the test, but for what is `tolerated`. */
export async function openPage(options: BrowserContextOptions = {}, tolerated = /status of 4\d\d/): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !tolerated.test(message.text())) complaints.push(message.text());
  });
  onTestFinished(() => expect(complaints).toEqual([]));
  return page;
}

export interface Visit {
  app: TestApp;
  page: Page;
  /** The page's own origin. */
  origin: string;
}

export async function signIn(page: Page, app: TestApp): Promise<string> {
  const { url } = (await (await app.request('/ui-codes', { json: {} })).json()) as { url: string };
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).press('Enter');
  await page.waitForURL('**/ui');
  return new URL(url).origin;
}

export async function visit(
  options: TestAppOptions = {},
  browserOptions: BrowserContextOptions = {},
  tolerated?: RegExp,
): Promise<Visit> {
  const app = await createTestApp(options);
  const page = await openPage(browserOptions, tolerated);
  return { app, page, origin: await signIn(page, app) };
}

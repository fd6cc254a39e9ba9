// A fresh Chromium that reports what no page should do: script errors, refused resources, broken policies.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { user } from './card.mjs';

export async function withChromium(run) {
  const profile = await mkdtemp(join(tmpdir(), 'signet-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.SIGNET_TEST_CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
      // The keys of servers whose certificates no authority of the machine has signed: these and no others.
      ...(process.env.SIGNET_TEST_SPKI ? [`--ignore-certificate-errors-spki-list=${process.env.SIGNET_TEST_SPKI}`] : [])],
  });
  const page = context.pages()[0] ?? await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on('pageerror', (problem) => faults.push(`${page.url()}: ${problem}`));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`${page.url()}: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { hostname, protocol } = new URL(request.url());
    if (protocol.startsWith('http') && hostname !== '127.0.0.1') faults.push(`${page.url()} asks ${request.url()}`);
  });
  try {
    await run(page, faults);
    if (faults.length > 0) throw new Error(`the pages have faults:\n${faults.join('\n')}`);
  } catch (problem) {
    console.error(`at ${page.url()}:\n${await page.locator('body').innerText().catch(() => 'no page')}\n${faults.join('\n')}`);
    throw problem;
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

// logIn fills the login page and allows what the client asks for; the browser is at the client afterwards.
export async function logIn(page) {
  await page.fill('#username', user.username);
  await page.fill('#password', user.password);
  await page.click('#login');
  await page.click('#consent-allow');
}

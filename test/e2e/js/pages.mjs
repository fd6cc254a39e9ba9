// The pages as people meet them: by keyboard, at 320 px and at 400 % zoom, light and dark. With a folder as second
// argument the pages are also kept there as pictures (docs/pages, by `node pages.mjs CARD FOLDER`).
import { createHash, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { card, check, equal, user } from './card.mjs';
import { withChromium } from './chromium.mjs';

const folder = process.argv[3];
const widths = [[320, 640], [768, 860], [1440, 780]];

async function admin(method, path, body) {
  const answer = await fetch(`${card.admin.api_url}${path}`, {
    method,
    headers: { authorization: `Bearer ${card.admin.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  check(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

async function register() {
  const { client_id: client } = await admin('POST', '/clients', {
    client_name: 'Aurora Notes', redirect_uris: ['https://notes.aurora.example/callback'],
    token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email offline_access',
    policy_uri: 'https://aurora.example/privacy', tos_uri: 'https://aurora.example/terms',
  });
  return client;
}

// invite makes an account that wants the person as a member.
async function invite() {
  const { id } = await admin('POST', '/accounts', { name: 'Harbour Bakery', type: 'org' });
  await admin('PUT', `/accounts/${id}/members/${user.sub}`, { role: 'merchant-terminal' });
  return id;
}

function request(client) {
  const challenge = createHash('sha256').update(randomBytes(32).toString('base64url')).digest('base64url');
  return `${card.issuer}/authorize?${new URLSearchParams({
    client_id: client, response_type: 'code', redirect_uri: 'https://notes.aurora.example/callback', state: 'state',
    scope: 'openid profile email offline_access', code_challenge: challenge, code_challenge_method: 'S256',
  })}`;
}

// fits fails when anything sticks out sideways, or when a thing to press is smaller than WCAG 2.2 allows (2.5.8).
async function fits(page, name) {
  const found = await page.evaluate(() => ({
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    clipped: [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).length,
    small: [...document.querySelectorAll('a, button, summary, input:not([type=hidden])')]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML),
  }));
  equal(found.over, 0, `${name}: pixels to scroll sideways`);
  equal(found.clipped, 0, `${name}: elements beyond the edge`);
  equal(found.small.length, 0, `${name}: targets below 24 px: ${found.small}`);
}

async function look(page, name) {
  const grounds = new Set();
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of widths) {
      await page.setViewportSize({ width, height });
      await fits(page, `${name} at ${width}`);
      if (folder) await page.screenshot({ path: join(folder, `${name}-${width}-${scheme}.png`), fullPage: true, animations: 'disabled' });
    }
    grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  equal(grounds.size, 2, `${name}: grounds in light and dark`);
  await page.setViewportSize({ width: 320, height: 256 }); // 1280 × 1024 at 400 % (WCAG 2.2, 1.4.10)
  await fits(page, `${name} at 400 %`);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

if (folder) await mkdir(folder, { recursive: true });
const client = await register();

await withChromium(async (page, faults) => {
  await page.goto(`${card.issuer}/account`);
  await page.waitForSelector('#login-first');
  await look(page, 'login-first');

  await page.goto(request(client));
  check((await page.title()).includes('Aurora Notes'), 'the title names the client');
  check((await page.innerText('main')).includes('notes.aurora.example'), 'the page says where the person will return');
  await look(page, 'login');

  // Without the mouse: the cursor stands in the name, Tab leads to the password, Return sends.
  await page.keyboard.type(user.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type('not the password');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#error');
  equal(await page.evaluate(() => document.activeElement.id), 'password', 'the focus after a wrong password');
  equal(await page.inputValue('#username'), user.username, 'the name after a wrong password');
  await look(page, 'login-problem');

  await page.keyboard.type(user.password);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#consent-allow');
  await look(page, 'consent');
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.id), 'consent-allow', 'the first stop of the consent page');
  equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'solid', 'the focus ring');

  // An invitation is accepted from the keyboard; who would leave an account without an owner stays.
  const [bakery, shop] = [await invite(), card.accounts[0].id];
  await page.goto(`${card.issuer}/account`);
  await look(page, 'account');
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.id), `accept-${bakery}`, 'the first stop of the account page');
  await page.keyboard.press('Enter');
  await page.waitForSelector(`#leave-${bakery}`, { state: 'attached' });
  equal(await page.locator('#pending').count(), 0, 'invitations after the last was accepted');
  check(!await page.isVisible(`#leave-${shop}`), 'nobody leaves by one wrong click');
  await page.locator('summary').first().focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.id), `leave-${shop}`, 'the stop after Leave');
  equal(faults.length, 0, `faults so far: ${faults}`);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#error');
  check((await page.innerText('#error')).includes('last owner'), 'the page says why the last owner stays');
  await look(page, 'account-problem');
  faults.length = 0; // the browser notes the status 409

  await page.goto(`${card.issuer}/logout`);
  await look(page, 'logout');
  await page.keyboard.press('Enter'); // the button has the focus
  await page.waitForSelector('#logged-out');
  await look(page, 'logged-out');

  equal(faults.length, 0, `faults so far: ${faults}`);
  await page.goto(`${card.issuer}/authorize?client_id=nobody`);
  check((await page.innerText('#error')).length > 0, 'the error page says something');
  await look(page, 'error');
  faults.length = 0; // the browser notes the status 400
});

// The pages as people meet them: by keyboard, at 320 px and at 400 % zoom, light and dark, whatever a client calls
// itself. With a folder as second
// argument the pages are also kept there as pictures (docs/pages, by `node pages.mjs CARD FOLDER`).
import { createHash, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { card, check, equal, user } from './card.mjs';
import { withChromium } from './chromium.mjs';
import { fits, look as lookAt, named, reached } from './look.mjs';

const folder = process.argv[3];
const look = (page, name) => lookAt(page, name, folder);
const heaviest = 16 << 10; // bytes of a first visit, everything together

// Names that pages must bear: long, of one word, right to left, without spaces.
const names = [
  ['Consolidated International Freight & Payment Reconciliation Services Ltd', 'reconciliation.payments.consolidated-international-freight.example.com'],
  ['Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamter', 'xn--donaudampfschifffahrtselektrizittenhauptbetriebswerk-mlc.example'],
  ['דפוס אורות לתשלומים וקבלות בעברית', 'pay.example'],
  ['東京電子決済サービス株式会社東京電子決済サービス株式会社', 'pay.example'],
];

async function admin(method, path, body) {
  const answer = await fetch(`${card.admin.api_url}${path}`, {
    method,
    headers: { authorization: `Bearer ${card.admin.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  check(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

async function register(name, redirect) {
  const { client_id: client } = await admin('POST', '/clients', {
    client_name: name, redirect_uris: [redirect],
    token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email offline_access',
    policy_uri: 'https://aurora.example/privacy', tos_uri: 'https://aurora.example/terms',
  });
  return request(client, redirect);
}

// invite makes an account that wants the person as a member.
async function invite() {
  const { id } = await admin('POST', '/accounts', { name: 'Harbour Bakery', type: 'org' });
  await admin('PUT', `/accounts/${id}/members/${user.sub}`, { role: 'merchant-terminal' });
  return id;
}

function request(client, redirect) {
  const challenge = createHash('sha256').update(randomBytes(32).toString('base64url')).digest('base64url');
  return `${card.issuer}/authorize?${new URLSearchParams({
    client_id: client, response_type: 'code', redirect_uri: redirect, state: 'state',
    scope: 'openid profile email offline_access', code_challenge: challenge, code_challenge_method: 'S256',
  })}`;
}

if (folder) await mkdir(folder, { recursive: true });
const aurora = await register('Aurora Notes', 'https://notes.aurora.example/callback');

await withChromium(async (page, faults) => {
  const asked = [];
  const bodies = [];
  page.on('response', (answer) => {
    if (new URL(answer.url()).origin !== card.issuer) asked.push(answer.url());
    bodies.push(answer.body().catch(() => '')); // a redirect has none
  });
  await page.goto(aurora, { waitUntil: 'networkidle' });
  const weight = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  check(weight > 2000 && weight < heaviest, `a first visit to the login page weighs ${weight} bytes, want at most ${heaviest}`);

  for (const [at, [name, host]] of names.entries()) {
    await page.goto(await register(name, `https://${host}/callback`));
    check((await page.innerText('main')).includes(host), `the whole host ${host} is shown`);
    await page.setViewportSize({ width: 320, height: 640 });
    await fits(page, `login with name ${at}`);
    await named(page, `login with name ${at}`);
    if (folder && at % 2 === 0) await page.screenshot({ path: `${folder}/login-name-${at}-320-light.png`, fullPage: true });
  }

  await page.goto(`${card.issuer}/account`);
  await page.waitForSelector('#login-first');
  await look(page, 'login-first');

  await page.goto(aurora);
  check((await page.title()).includes('Aurora Notes'), 'the title names the client');
  check((await page.innerText('main')).includes('notes.aurora.example'), 'the page says where the person will return');
  await look(page, 'login');
  await reached(page, 'login');
  await page.focus('#username');

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
  await reached(page, 'consent');
  await page.reload(); // the next key is the first
  await page.keyboard.press('Tab');
  equal(await page.evaluate(() => document.activeElement.id), 'consent-allow', 'the first stop of the consent page');

  for (const [at, [name, host]] of names.entries()) {
    await page.goto(await register(name, `https://${host}/callback`));
    await page.waitForSelector('#consent-allow');
    await page.setViewportSize({ width: 320, height: 640 });
    await fits(page, `consent with name ${at}`);
    equal(await page.evaluate(() => document.querySelector('.return').getBoundingClientRect().bottom < innerHeight), true, `consent with name ${at}: the return stands on the first screen`);
  }

  // Whose browser runs no script sees the page that carries the answer, and sends it by its button.
  await page.route('**/form-post*.js', (route) => route.fulfill({ body: '', contentType: 'text/javascript' }));
  await page.goto(`${aurora}&response_mode=form_post`);
  await page.click('#consent-allow');
  await page.waitForSelector('#continue');
  await look(page, 'form-post');

  // An invitation is accepted from the keyboard; who would leave an account without an owner stays.
  const [bakery, shop] = [await invite(), card.accounts[0].id];
  await page.goto(`${card.issuer}/account`);
  await look(page, 'account');
  await reached(page, 'account');
  await page.reload();
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

  // The login page of another browser says so, and offers the same request anew.
  await page.goto(aurora);
  await page.waitForSelector('#username');
  await page.context().clearCookies();
  await page.reload();
  await page.waitForSelector('#error');
  await look(page, 'error-restart');
  await page.click('#restart');
  await page.waitForSelector('#username');
  check((await page.title()).includes('Aurora Notes'), 'the way on leads to the same application');
  equal(asked.length, 0, `requests to others: ${asked}`);
  faults.length = 0; // the browser notes the status 400
});

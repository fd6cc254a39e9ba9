// Script in every parameter of the pages, and in what is stored and shown: no dialog, no error, no element of a stranger.
import { card, check, equal, user } from './card.mjs';
import { withChromium } from './chromium.mjs';

const scripts = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'-alert(1)-'", '</title><svg onload=alert(1)>', 'javascript:alert(1)'];
const parameters = ['client_id', 'redirect_uri', 'scope', 'state', 'prompt', 'login_hint', 'ui_locales', 'claims', 'unknown'];

async function register(name) {
  const answer = await fetch(`${card.admin.api_url}/clients`, {
    method: 'POST',
    headers: { authorization: `Bearer ${card.admin.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ client_name: name, redirect_uris: ['http://127.0.0.1:9/cb'], token_endpoint_auth_method: 'none', grant_types: ['authorization_code'], scope: 'openid profile' }),
  });
  return answer.ok ? (await answer.json()).client_id : undefined;
}

function address(client, changes = {}) {
  return `${card.issuer}/authorize?${new URLSearchParams({
    client_id: client, response_type: 'code', redirect_uri: 'http://127.0.0.1:9/cb', state: 'state', scope: 'openid profile',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256', ...changes,
  })}`;
}

await withChromium(async (page, faults) => {
  const dialogs = [];
  page.on('dialog', (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
  await page.goto('about:blank');
  await page.evaluate(() => alert('control')); // the hook works
  equal(dialogs.splice(0).length, 1, 'dialogs of the control');

  const client = await register('Shop');
  check(client, 'a client can be registered');
  for (const script of scripts.slice(0, 2)) {
    for (const name of parameters) {
      await page.goto(address(client, { [name]: script })).catch(() => {}); // a redirect to the client goes nowhere
      equal(await page.locator('img[src="x"], svg[onload], main script').count(), 0, `elements out of ${name}`);
    }
  }
  let stored = 0;
  for (const script of scripts) {
    const named = await register(`Shop ${script}`);
    if (!named) continue; // refused: not shown either
    stored += 1;
    await page.context().clearCookies();
    await page.goto(address(named));
    await page.fill('#username', user.username);
    await page.fill('#password', user.password);
    await page.click('#login');
    await page.waitForSelector('#consent-allow');
    check((await page.locator('body').innerText()).includes('Shop'), 'the name is shown');
    equal(await page.locator('img[src="x"], svg[onload], main script').count(), 0, 'elements out of a name');
  }
  console.log(`${stored} of ${scripts.length} names are stored`);
  equal(dialogs.length, 0, `dialogs: ${dialogs}`);
  // Refusals are logged by Chromium as failed loads (400 pages, the client that is not there): no fault of a page.
  const real = faults.splice(0).filter((fault) => !/status of 4\d\d|ERR_CONNECTION_REFUSED|ERR_UNSAFE_PORT/.test(fault));
  equal(real.length, 0, `faults: ${real}`);
});

// The demo in Chromium: deny, log in, look at the tokens, userinfo, refresh, what happens when the server is away or
// knows nothing any more, revoke, log out. With a folder as second argument its pictures are kept there.
import { card, check, equal, user } from './card.mjs';
import { logIn, withChromium } from './chromium.mjs';
import { look as lookAt, reached } from './look.mjs';

const look = (page, name) => lookAt(page, `demo-${name}`, process.argv[3]);

await withChromium(async (page, faults) => {
  await page.goto(`${card.issuer}/demo`);
  await page.waitForSelector('#out:not([hidden])');
  await look(page, 'out');
  await reached(page, 'the demo before a login');

  await page.click('#login');
  await page.fill('#username', user.username);
  await page.fill('#password', user.password);
  await page.click('#login');
  await page.click('#consent-deny');
  await page.waitForSelector('#problem:has-text("You chose Deny")');
  await look(page, 'denied');
  await page.context().clearCookies();

  await page.click('#login');
  await page.waitForURL(`${card.issuer}/login**`);
  check((await page.title()).length > 0, 'the login page has a title');
  await logIn(page);
  await page.waitForSelector('#in:not([hidden])');
  equal(page.url(), `${card.issuer}/demo`, 'the address, without code and state');
  await page.goBack().catch(() => {});
  check(!page.url().includes('code='), 'no code in the history');
  await page.goto(`${card.issuer}/demo`);

  check((await page.innerText('#id-token')).includes(user.sub), 'the ID token is shown');
  check((await page.innerText('#access-token')).includes('at+jwt'), 'the access token is shown');

  await look(page, 'in');
  await reached(page, 'the demo after a login');

  await page.click('#userinfo');
  await page.waitForSelector(`#answer-body:has-text("${user.email}")`);
  equal(JSON.parse(await page.innerText('#answer-body')).sub, user.sub, 'sub in the answer, which is JSON as it stands');

  const before = await page.innerText('#access-token');
  await page.click('#refresh');
  await page.waitForSelector('#status:has-text("New tokens")');
  check(await page.innerText('#access-token') !== before, 'refresh shows a new access token');

  // The server is away; then it is another one that knows none of the tokens.
  equal(faults.length, 0, `faults so far: ${faults}`);
  await page.route('**/userinfo', (route) => route.abort());
  await page.click('#userinfo');
  await page.waitForSelector('#problem:has-text("does not answer")');
  await page.unroute('**/userinfo');
  equal(await page.isVisible('#again'), false, 'a way to log in again while the tokens may be good');
  await page.route('**/userinfo', (route) => route.fulfill({ status: 401, json: { error: 'invalid_token' } }));
  await page.route('**/token', (route) => route.fulfill({ status: 400, json: { error: 'invalid_grant' } }));
  await page.click('#refresh');
  await page.waitForSelector('#refresh-state:has-text("Refused")');
  await page.click('#userinfo');
  await page.waitForSelector('#access-state:has-text("Refused")');
  equal(await page.innerText('#greeting'), 'These tokens no longer work', 'the heading when nothing works');
  await look(page, 'refused');
  await page.unroute('**/userinfo');
  await page.unroute('**/token');
  faults.length = 0;
  await page.click('#again'); // the session lives: a click, and no password
  await page.click('#consent-allow');
  await page.waitForSelector('#access-state:has-text("Valid")');
  equal(await page.innerText('#greeting'), 'You are logged in', 'the heading after a new login');

  await page.click('#revoke');
  await page.waitForSelector('#status:has-text("taken back")');
  equal(await page.innerText('#access-state'), 'Revoked', 'the mark of the access token');
  equal(await page.innerText('#refresh-state'), 'Revoked', 'the mark of the refresh token');
  faults.length = 0;
  await page.click('#userinfo');
  await page.waitForSelector('#problem:has-text("Refused, as it should be")');
  await look(page, 'revoked');
  check(faults.length > 0 && faults.every((fault) => fault.includes('401')), `userinfo after revocation is refused: ${faults}`);
  faults.length = 0;

  await page.click('#logout');
  await page.waitForURL((url) => url.pathname === '/logout' || url.pathname === '/demo');
  if (new URL(page.url()).pathname === '/logout') await page.click('#logout-confirm');
  await page.waitForSelector('#out:not([hidden])');

  await page.click('#login');
  await page.waitForSelector('#password');
});
console.log('demo in Chromium: ok');

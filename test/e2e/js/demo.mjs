// The demo in Chromium: log in, look at the tokens, userinfo, refresh, revoke, log out.
import { card, check, equal, user } from './card.mjs';
import { logIn, withChromium } from './chromium.mjs';

await withChromium(async (page, faults) => {
  await page.goto(`${card.issuer}/demo`);
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

  await page.click('#userinfo');
  await page.waitForSelector(`#answer-body:has-text("${user.email}")`);

  const before = await page.innerText('#access-token');
  await page.click('#refresh');
  await page.waitForSelector('#status:has-text("New tokens")');
  check(await page.innerText('#access-token') !== before, 'refresh shows a new access token');

  await page.click('#revoke');
  await page.waitForSelector('#status:has-text("taken back")');
  faults.length = 0;
  await page.click('#userinfo');
  await page.waitForSelector('#problem:not([hidden])');
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

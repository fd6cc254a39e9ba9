// oidc-client-ts in Chromium: a single-page app on another origin, registered for it through the admin API.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { card, check, equal, user } from './card.mjs';
import { logIn, withChromium } from './chromium.mjs';

const library = await readFile(new URL('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', import.meta.url));
const page = '<!doctype html><meta charset="utf-8"><title>app</title><link rel="icon" href="data:,"><script src="/library.js"></script><p id="app">app</p>';
const server = createServer((request, response) => {
  const isLibrary = request.url === '/library.js';
  response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
  response.end(isLibrary ? library : page);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const registered = await fetch(`${card.admin.api_url}/clients`, {
  method: 'POST',
  headers: { authorization: `Bearer ${card.admin.api_key}`, 'content-type': 'application/json' },
  body: JSON.stringify({
    client_name: 'oidc-client-ts', token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'], scope: 'openid profile email offline_access', redirect_uris: [`${origin}/callback`],
    post_logout_redirect_uris: [`${origin}/`], origins: [origin],
  }),
});
const client = await registered.json();
equal(registered.status, 201, `registration ${JSON.stringify(client)}`);

const settings = {
  authority: card.issuer,
  client_id: client.client_id,
  redirect_uri: `${origin}/callback`,
  post_logout_redirect_uri: `${origin}/`,
  scope: 'openid profile email offline_access',
  automaticSilentRenew: false,
  loadUserInfo: true,
};

await withChromium(async (browser, faults) => {
  // In the app, as an app's own code would run. What leaves the page is not waited for: nobody is there to answer.
  const inApp = (run, argument) => browser.evaluate(run, { settings, argument });

  await browser.goto(`${origin}/`);
  await Promise.all([
    browser.waitForURL(`${card.issuer}/login**`),
    inApp(({ settings }) => { new oidc.UserManager(settings).signinRedirect(); }),
  ]);
  await logIn(browser);
  await browser.waitForURL(`${origin}/callback**`);

  const first = await inApp(async ({ settings }) => {
    const { profile, access_token, refresh_token } = await new oidc.UserManager(settings).signinCallback();
    return { profile, access_token, refresh_token };
  });
  equal(first.profile.sub, user.sub, 'sub');
  equal(first.profile.email, user.email, 'email, from userinfo');

  const second = await inApp(async ({ settings }) => {
    const { profile, access_token, refresh_token } = await new oidc.UserManager(settings).signinSilent();
    return { profile, access_token, refresh_token };
  });
  check(second.access_token !== first.access_token && second.refresh_token !== first.refresh_token, 'refresh gives new tokens');
  equal(second.profile.sub, user.sub, 'sub after refresh');

  // What the server refuses is readable for the app, and Chromium notes the status on the console.
  const refused = await inApp(async ({ settings, argument }) => {
    const response = await fetch(`${settings.authority}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: argument, client_id: settings.client_id }),
    });
    return { status: response.status, body: await response.json() };
  }, 'sgt_rt_nothing');
  equal(`${refused.status} ${refused.body.error}`, '400 invalid_grant', 'a wrong refresh token');
  equal(faults.filter((fault) => fault.includes('400')).length, 1, 'the one fault on the console');
  faults.length = 0;

  // Revocation by the library ends the family: userinfo and refresh are refused.
  const revoked = await inApp(async ({ settings, argument }) => {
    await new oidc.UserManager(settings).revokeTokens();
    const info = await fetch(`${settings.authority}/userinfo`, { headers: { authorization: `Bearer ${argument.access_token}` } });
    const again = await fetch(`${settings.authority}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: argument.refresh_token, client_id: settings.client_id }),
    });
    return { info: info.status, again: again.status };
  }, second);
  equal(`${revoked.info} ${revoked.again}`, '401 400', 'userinfo and refresh after revocation');
  equal(faults.filter((fault) => /40[01]/.test(fault)).length, 2, 'the faults on the console');
  faults.length = 0;

  await Promise.all([
    browser.waitForURL((url) => url.href.startsWith(`${card.issuer}/logout`) || url.search.startsWith('?state=')),
    inApp(({ settings }) => { new oidc.UserManager(settings).signoutRedirect({ state: 'bye' }); }),
  ]);
  if (browser.url().startsWith(card.issuer)) await browser.click('#logout-confirm');
  await browser.waitForURL(`${origin}/?state=**`);
  await inApp(({ settings }) => new oidc.UserManager(settings).signoutCallback());

  // The session is gone: the next login asks again.
  await Promise.all([
    browser.waitForURL(`${card.issuer}/login**`),
    inApp(({ settings }) => { new oidc.UserManager(settings).signinRedirect(); }),
  ]);
  check(await browser.isVisible('#password'), 'the login page asks for the password again');
});
server.close();
console.log('oidc-client-ts in Chromium: ok');

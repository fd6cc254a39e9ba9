// oidc-client-ts in Chromium, over https on both sides: an app without a refresh token renews by prompt=none in a hidden
// frame, for as long as the session lives. What would show a page in that frame must be answered to the app instead.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { card, check, equal, register, user } from './card.mjs';
import { logIn, withChromium } from './chromium.mjs';

const [library, cert, key] = await Promise.all([
  readFile(new URL('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', import.meta.url)),
  readFile(process.env.SIGNET_TEST_APP_CERT), readFile(process.env.SIGNET_TEST_APP_KEY),
]);
const page = '<!doctype html><meta charset="utf-8"><title>app</title><link rel="icon" href="data:,"><script src="/library.js"></script><p id="app">app</p>';
const silent = `${page}<script>new oidc.UserManager({ authority: '${card.issuer}', client_id: 'any', redirect_uri: 'any' }).signinSilentCallback();</script>`;
const server = createServer({ cert, key }, (request, response) => {
  const isLibrary = request.url === '/library.js';
  response.setHeader('content-type', isLibrary ? 'text/javascript' : 'text/html');
  response.end(isLibrary ? library : request.url.startsWith('/silent') ? silent : page);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `https://127.0.0.1:${server.address().port}`;

const client = await register({
  client_name: 'Renewing app', token_endpoint_auth_method: 'none', grant_types: ['authorization_code'], response_types: ['code'],
  scope: 'openid profile email', redirect_uris: [`${origin}/callback`, `${origin}/silent`], post_logout_redirect_uris: [`${origin}/`], origins: [origin],
});
const settings = {
  authority: card.issuer,
  client_id: client.client_id,
  redirect_uri: `${origin}/callback`,
  silent_redirect_uri: `${origin}/silent`,
  post_logout_redirect_uri: `${origin}/`,
  scope: 'openid profile email',
  automaticSilentRenew: false,
};

await withChromium(async (browser, faults) => {
  const inApp = (run) => browser.evaluate(run, { settings });
  const tokens = ({ profile, access_token, refresh_token }) => ({ sub: profile.sub, at: profile.auth_time, access_token, refresh_token });
  const silently = async () => tokens(await inApp(async ({ settings }) => {
    const { profile, access_token, refresh_token } = await new oidc.UserManager(settings).signinSilent();
    return { profile, access_token, refresh_token };
  }));
  const refused = () => inApp(({ settings }) => new oidc.UserManager(settings).signinSilent().then(() => 'renewed', (problem) => problem.error ?? `${problem}`));

  await browser.goto(`${origin}/`);
  equal(await refused(), 'login_required', 'a silent login before any other');
  await Promise.all([
    browser.waitForURL(`${card.issuer}/login**`),
    inApp(({ settings }) => { new oidc.UserManager(settings).signinRedirect(); }),
  ]);
  await logIn(browser);
  await browser.waitForURL(`${origin}/callback**`);
  const first = tokens(await inApp(async ({ settings }) => {
    const { profile, access_token, refresh_token } = await new oidc.UserManager(settings).signinCallback();
    return { profile, access_token, refresh_token };
  }));
  equal(first.sub, user.sub, 'sub');
  equal(first.refresh_token, undefined, 'the refresh token');

  const second = await silently();
  check(second.access_token !== first.access_token, 'the frame brings a new access token');
  equal(second.sub, first.sub, 'sub after the renewal');
  equal(second.at, first.at, 'auth_time after the renewal');

  await Promise.all([
    browser.waitForURL((url) => url.href.startsWith(`${card.issuer}/logout`) || url.href.startsWith(`${origin}/?`) || url.href === `${origin}/`),
    inApp(({ settings }) => { new oidc.UserManager(settings).signoutRedirect(); }),
  ]);
  if (browser.url().startsWith(card.issuer)) await browser.click('#logout-confirm');
  await browser.waitForURL(`${origin}/**`);
  equal(await refused(), 'login_required', 'a silent login after logout');
  check(faults.length === 0, `faults: ${faults}`);
});
server.close();
server.closeAllConnections();
console.log('silent renewal in Chromium: ok');

// response_mode=form_post in Chromium: the page must post itself to the client, on another origin, under our own
// content security policy and without a click (Form Post Response Mode §4).
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import * as oidc from 'openid-client';
import { card, check, equal, plain, register, user } from './card.mjs';
import { logIn, withChromium } from './chromium.mjs';

const arrived = [];
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  arrived.push({ method: request.method, url: request.url, type: request.headers['content-type'], form: new URLSearchParams(body) });
  response.setHeader('content-type', 'text/html').end('<!doctype html><link rel="icon" href="data:,"><p id="arrived">arrived</p>');
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const callback = `http://127.0.0.1:${server.address().port}/callback`;

const client = await register({
  client_name: 'Form post', redirect_uris: [callback], token_endpoint_auth_method: 'client_secret_basic', require_pkce: false,
  grant_types: ['authorization_code'], scope: 'openid',
});

const state = randomBytes(96).toString('base64url');
const request = (more) => `${card.issuer}/authorize?${new URLSearchParams({
  client_id: client.client_id, response_type: 'code', redirect_uri: callback, scope: 'openid', state, response_mode: 'form_post', ...more,
})}`;

function posted(member) {
  equal(arrived.length, 1, 'requests at the callback');
  const { method, url, type, form } = arrived.pop();
  equal(`${method} ${url} ${type}`, 'POST /callback application/x-www-form-urlencoded', 'the request at the callback');
  equal(form.get('state'), state, 'state');
  equal(form.get('iss'), card.issuer, 'iss');
  check(form.get(member), `${member} came`);
  return form;
}

try {
  await withChromium(async (page) => {
    await page.goto(request({ prompt: 'none' }));
    await page.waitForSelector('#arrived');
    equal(posted('error').get('error'), 'login_required', 'error');
    await page.goto(request({}));
    await logIn(page);
    await page.waitForSelector('#arrived');
    // What arrived is what a library takes, with every check of its own.
    const config = await oidc.discovery(new URL(card.issuer), client.client_id, {}, oidc.ClientSecretBasic(client.client_secret),
      { execute: [oidc.enableNonRepudiationChecks, ...(plain ? [oidc.allowInsecureRequests] : [])] });
    const tokens = await oidc.authorizationCodeGrant(config, new Request(callback, { method: 'POST', body: posted('code') }),
      { expectedState: state, idTokenExpected: true });
    equal(tokens.claims().sub, user.sub, 'sub');
  });
} finally {
  server.close();
  server.closeAllConnections();
}

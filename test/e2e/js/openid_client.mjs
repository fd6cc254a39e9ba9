// openid-client: login, userinfo, refresh, introspection, revocation, logout, for a public client and for each way in which
// a confidential one proves itself. Every check of the library is on: issuer (RFC 9207), state, nonce, algorithm of the ID
// token, and its signature, which the library leaves to TLS unless it is told otherwise.
import { readFileSync } from 'node:fs';
import { importPKCS8 } from 'jose';
import * as oidc from 'openid-client';
import { card, check, equal, Forms, plain, register, rejects, user } from './card.mjs';

const { web, spa, partner_es256: partner, resource_server: resourceServer } = card.clients;
const execute = [oidc.enableNonRepudiationChecks, ...(plain ? [oidc.allowInsecureRequests] : [])];

async function session(client, authentication, metadata = {}) {
  const config = await oidc.discovery(new URL(card.issuer), client.client_id, metadata, authentication, { execute });
  const forms = new Forms();
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const redirect = client.redirect_uris[0];
  const callback = await forms.logIn(oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  }));
  equal(callback.origin + callback.pathname, redirect, 'the callback');

  const grant = (at, more) => oidc.authorizationCodeGrant(config, at, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...more,
  });
  // The checks that are on: the library refuses before it shows the code to anybody.
  const mixed = new URL(callback);
  mixed.searchParams.set('iss', 'https://other.example');
  await rejects(grant(mixed), (e) => /iss/.test(`${e.message} ${e.cause?.message}`), 'an answer of another issuer');
  mixed.searchParams.delete('iss');
  await rejects(grant(mixed), (e) => /iss/.test(`${e.message} ${e.cause?.message}`), 'an answer without an issuer, which the metadata promises');
  await rejects(grant(callback, { expectedState: 'another' }), (e) => /state/.test(`${e.message} ${e.cause?.message}`), 'an answer with another state');
  const tokens = await grant(callback);
  equal(tokens.claims().sub, user.sub, 'sub');
  equal(tokens.token_type, 'bearer', 'token_type, which the library folds');

  const info = await oidc.fetchUserInfo(config, tokens.access_token, user.sub);
  equal(info.email, user.email, 'email at userinfo');

  const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  check(fresh.refresh_token && fresh.refresh_token !== tokens.refresh_token, 'the refresh token rotates');
  equal(fresh.claims().sub, user.sub, 'sub after refresh');

  const server = await oidc.discovery(new URL(card.issuer), resourceServer.client_id, {},
    oidc.ClientSecretBasic(resourceServer.client_secret), { execute });
  await oidc.tokenRevocation(config, fresh.refresh_token);
  equal((await oidc.tokenIntrospection(server, fresh.access_token)).active, false, 'active after revocation');
  await rejects(oidc.refreshTokenGrant(config, fresh.refresh_token), (e) => e.error === 'invalid_grant', 'refresh after revocation');
  await rejects(oidc.fetchUserInfo(config, fresh.access_token, user.sub), (e) => e.status === 401, 'userinfo after revocation');

  const after = await forms.logOut(oidc.buildEndSessionUrl(config, {
    id_token_hint: fresh.id_token, post_logout_redirect_uri: client.post_logout_redirect_uris[0], state: 'bye',
  }));
  equal(after.href, `${client.post_logout_redirect_uris[0]}?state=bye`, 'the address after logout');
  const refused = await forms.open(oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: 'openid', prompt: 'none', state,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }));
  equal(refused.callback.searchParams.get('error'), 'login_required', 'prompt=none after logout');
}


const grants = { grant_types: ['authorization_code', 'refresh_token'], scope: 'openid profile email offline_access' };
const addresses = { redirect_uris: web.redirect_uris, post_logout_redirect_uris: web.post_logout_redirect_uris };

await session(web, oidc.ClientSecretBasic(web.client_secret));
await session(spa, oidc.None());

// The library escapes every character of a name that is not a letter or a digit (RFC 6749 §2.3.1).
const shop = await register({ client_id: `a-shop.of_ours-${Date.now()}`, client_name: 'A shop', token_endpoint_auth_method: 'client_secret_basic', ...grants, ...addresses });
await session({ ...shop, ...addresses }, oidc.ClientSecretBasic(shop.client_secret));

const posting = await register({ client_name: 'Posting', token_endpoint_auth_method: 'client_secret_post', ...grants, ...addresses });
await session({ ...posting, ...addresses }, oidc.ClientSecretPost(posting.client_secret));

// private_key_jwt by the library's own assertions, with ID tokens of another algorithm than the default.
const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const jwk = { ...await crypto.subtle.exportKey('jwk', pair.publicKey), kid: 'one', use: 'sig', alg: 'ES256' };
const keyed = await register({
  client_name: 'Keyed', token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256',
  id_token_signed_response_alg: 'ES256', jwks: { keys: [jwk] }, ...grants, ...addresses,
});
await session({ ...keyed, ...addresses }, oidc.PrivateKeyJwt({ key: pair.privateKey, kid: 'one' }), { id_token_signed_response_alg: 'ES256' });

// The modern partner of the card, its assertion made by the library.
const machine = await oidc.discovery(new URL(card.issuer), partner.client_id, {},
  oidc.PrivateKeyJwt({ key: await importPKCS8(readFileSync(partner.private_key_file, 'utf8'), partner.alg), kid: partner.kid }), { execute });
const granted = await oidc.clientCredentialsGrant(machine, {});
check(granted.access_token, 'client_credentials by private_key_jwt');
console.log('openid-client: ok');

// openid-client: login, userinfo, refresh, introspection, revocation, logout, for a confidential and a public client.
import * as oidc from 'openid-client';
import { card, check, equal, Forms, rejects, user } from './card.mjs';

const { web, spa, resource_server: resourceServer } = card.clients;
const execute = [oidc.allowInsecureRequests]; // http, on this machine only

async function session(client, authentication) {
  const config = await oidc.discovery(new URL(card.issuer), client.client_id, {}, authentication, { execute });
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

  const grant = () => oidc.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true,
  });
  const tokens = await grant();
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

await session(web, oidc.ClientSecretBasic(web.client_secret));
await session(spa, oidc.None());
console.log('openid-client: ok');

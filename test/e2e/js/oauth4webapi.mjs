// oauth4webapi: the strictest of the libraries; it checks each answer member by member. Login through the forms, ID
// token signature, RFC 9068 access token, userinfo, refresh, introspection, revocation, logout.
import * as oauth from 'oauth4webapi';
import { card, check, equal, Forms, plain as http, user } from './card.mjs';

const { web, service, resource_server: resourceServer } = card.clients;
const insecure = http ? { [oauth.allowInsecureRequests]: true } : {}; // on this machine only
const issuer = new URL(card.issuer);

const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecure }));
const plain = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));
equal(plain.token_endpoint, as.token_endpoint, 'token_endpoint in the RFC 8414 metadata');

const client = { client_id: web.client_id };
const authentication = oauth.ClientSecretBasic(web.client_secret);
const forms = new Forms();
const verifier = oauth.generateRandomCodeVerifier();
const state = oauth.generateRandomState();
const nonce = oauth.generateRandomNonce();
const authorization = new URL(as.authorization_endpoint);
authorization.search = new URLSearchParams({
  client_id: web.client_id,
  redirect_uri: web.redirect_uris[0],
  response_type: 'code',
  scope: 'openid profile email phone address offline_access',
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
  max_age: '600',
});
const callback = await forms.logIn(authorization);
const parameters = oauth.validateAuthResponse(as, client, callback, state); // iss and state

const response = await oauth.authorizationCodeGrantRequest(as, client, authentication, parameters, web.redirect_uris[0], verifier, insecure);
equal(response.headers.get('cache-control'), 'no-store', 'Cache-Control of the token answer');
const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, maxAge: 600, requireIdToken: true });
await oauth.validateApplicationLevelSignature(as, response, insecure);
equal(oauth.getValidatedIdTokenClaims(tokens).sub, user.sub, 'sub');

const info = await oauth.processUserInfoResponse(as, client, user.sub, await oauth.userInfoRequest(as, client, tokens.access_token, insecure));
equal(info.email, user.email, 'email at userinfo');
equal(info.phone_number, user.phone_number, 'phone_number at userinfo');

// RFC 9068, as a resource server would check it.
const request = new Request('https://api.example.com/', { headers: { authorization: `Bearer ${tokens.access_token}` } });
const { aud } = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
const claims = await oauth.validateJwtAccessToken(as, request, [aud].flat()[0], insecure);
equal(claims.client_id, web.client_id, 'client_id in the access token');

const refreshed = await oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure));
check(refreshed.refresh_token !== tokens.refresh_token, 'the refresh token rotates');

const server = { client_id: resourceServer.client_id };
const introspect = async (token) => oauth.processIntrospectionResponse(as, server,
  await oauth.introspectionRequest(as, server, oauth.ClientSecretBasic(resourceServer.client_secret), token, insecure));
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, authentication, refreshed.refresh_token, insecure));
equal((await introspect(refreshed.access_token)).active, false, 'active after revocation');

const machine = { client_id: service.client_id };
const granted = await oauth.processClientCredentialsResponse(as, machine, await oauth.clientCredentialsGrantRequest(as, machine,
  oauth.ClientSecretBasic(service.client_secret), new URLSearchParams({ scope: service.scope.split(' ')[0] }), insecure));
equal((await introspect(granted.access_token)).active, true, 'active of a service token, at the resource server of its audience');

const end = new URL(as.end_session_endpoint);
end.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: web.post_logout_redirect_uris[0], state: 'bye' });
equal((await forms.logOut(end)).searchParams.get('state'), 'bye', 'state after logout');
console.log('oauth4webapi: ok');

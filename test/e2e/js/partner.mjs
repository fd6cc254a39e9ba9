// jose: assertions of document 004's partner and of the modern one.
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, decodeJwt, importPKCS8, jwtVerify, SignJWT } from 'jose';
import { card, check, equal } from './card.mjs';

const endpoint = `${card.issuer}/token`;
const keys = createRemoteJWKSet(new URL(`${card.issuer}/.well-known/jwks.json`));

async function assertion(client, audience, lifetime, claims = {}) {
  const key = await importPKCS8(readFileSync(client.private_key_file, 'utf8'), client.alg);
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: client.client_id, sub: client.client_id, aud: audience, jti: crypto.randomUUID(), iat: now, exp: now + lifetime, ...claims })
    .setProtectedHeader({ alg: client.alg, kid: client.kid })
    .sign(key);
}

async function ask(jwt, more = {}) {
  const response = await fetch(endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: jwt,
      ...more,
    }),
  });
  return { status: response.status, cache: response.headers.get('cache-control'), body: await response.json() };
}

async function refused(answer, status, error, what) {
  const { status: got, body } = await answer;
  equal(`${got} ${body.error}`, `${status} ${error}`, what);
}

// Document 004's partner: RS256, token endpoint as audience, an hour at most, its own error codes, jti echoed.
const { partner, partner_es256: modern } = card.clients;
const sent = await assertion(partner, endpoint, 1800);
const granted = await ask(sent, { scope: partner.scope });
equal(granted.status, 200, `the partner's answer ${JSON.stringify(granted.body)}`);
equal(granted.cache, 'no-store', 'Cache-Control');
equal(granted.body.token_type, 'bearer', 'token_type');
equal(granted.body.expires_in, 1800, 'expires_in');
equal(granted.body.scope, partner.scope, 'scope');
equal(granted.body.jti, decodeJwt(sent).jti, 'jti, which echoes the assertion');
const { payload, protectedHeader } = await jwtVerify(granted.body.access_token, keys, { issuer: card.issuer, typ: 'at+jwt' });
equal(payload.client_id, partner.client_id, 'client_id in the token');
check(payload.jti !== granted.body.jti && protectedHeader.kid, 'the token has its own jti and a kid');
equal((await ask(await assertion(partner, card.issuer, 300))).status, 200, 'the issuer as audience');
await refused(ask(sent), 400, 'invalid_grant', 'the same assertion again');
await refused(ask(await assertion(partner, endpoint, 7200)), 400, 'invalid_grant', 'an assertion of two hours');
await refused(ask(await assertion(partner, 'https://other.example/token', 300)), 400, 'invalid_grant', 'a foreign audience');
await refused(ask(await assertion({ ...modern, client_id: partner.client_id }, endpoint, 300)), 401, 'unauthorized_client', 'a foreign key');
await refused(ask(await assertion(partner, endpoint, 300), { scope: 'nothing-of-this' }), 400, 'invalid_request', 'an unknown scope');

// The modern one: ES256, the issuer alone as audience, five minutes, RFC errors.
const first = await assertion(modern, card.issuer, 120);
const answer = await ask(first);
equal(answer.status, 200, `the modern partner's answer ${JSON.stringify(answer.body)}`);
equal(answer.body.token_type, 'Bearer', 'token_type');
await jwtVerify(answer.body.access_token, keys, { issuer: card.issuer, typ: 'at+jwt' });
await refused(ask(first), 401, 'invalid_client', 'the same assertion again');
await refused(ask(await assertion(modern, endpoint, 120)), 401, 'invalid_client', 'the token endpoint as audience');
await refused(ask(await assertion(modern, [card.issuer], 120)), 401, 'invalid_client', 'an array as audience');
await refused(ask(await assertion(modern, card.issuer, 3600)), 401, 'invalid_client', 'an assertion of an hour');
console.log('jose: ok');

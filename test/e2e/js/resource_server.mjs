// jose alone: a resource server that decrypts tokens of the identity exchange and verifies what is inside.
import { createHmac, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compactDecrypt, createRemoteJWKSet, generateKeyPair, importPKCS8, jwtVerify, CompactEncrypt } from 'jose';
import { card, check, equal, rejects } from './card.mjs';

const keys = createRemoteJWKSet(new URL(`${card.issuer}/.well-known/jwks.json`));
const server = card.resource_servers.find((one) => one.id === card.billers[0].default_resource_server);
const pem = readFileSync(card.rs_private_key_file, 'utf8');
const privateKey = await importPKCS8(pem, server.alg);

// open is what a resource server does with every token: decrypt, then verify. Decryption proves nothing: the key that
// encrypts is public.
async function open(token, audience = server.audience) {
  const { plaintext, protectedHeader } = await compactDecrypt(token, privateKey, {
    keyManagementAlgorithms: [server.alg],
    contentEncryptionAlgorithms: [server.enc],
  });
  equal(protectedHeader.cty, 'JWT', 'cty');
  equal(protectedHeader.kid, server.kid, 'kid of the recipient');
  const inner = new TextDecoder().decode(plaintext);
  return { inner, ...(await jwtVerify(inner, keys, { issuer: card.issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] })) };
}

// A biller's page, by scheme v2: a list of named fields, each with its length before it.
const field = (text) => `${Buffer.byteLength(text)}:${text},`;
function sign(biller, fields) {
  const input = [['purpose', 'signet-identity-v2'], ...fields].map(([name, value]) => field(name) + field(value)).join('');
  return createHmac('sha256', Buffer.from(biller.hmac_key, 'hex')).update(input).digest('hex');
}

const biller = card.billers[0];
const user = biller.invoices[0].customer_guid;
const timestamp = new Date().toISOString();
const hmac = sign(biller, [['biller_id', biller.id], ['user_id', user], ['timestamp', timestamp]]);

// The legacy form.
const legacy = await fetch(`${card.issuer}/api/v1/payertokens`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ billerGuid: biller.id, userGuid: user, timestamp, hmac }),
});
equal(legacy.status, 200, 'the legacy answer');
const { token } = await legacy.json();
const { payload } = await open(token);
equal(payload.sub, `biller:${biller.id}:user:${user}`, 'sub');
equal(payload.biller_guid, biller.id, 'biller_guid');
equal(payload.user_guid, user, 'user_guid');
equal(JSON.stringify(payload.amr), '["hmac"]', 'amr');
equal(payload.exp - payload.iat, 900, 'lifetime');
check(!('client_id' in payload), 'no client took part');

// The same request again: used.
const grant = (more) => fetch(`${card.issuer}/token`, {
  method: 'POST',
  body: new URLSearchParams({ grant_type: 'urn:signet:params:oauth:grant-type:hmac-identity', biller_id: biller.id, user_id: user, ...more }),
});
const again = await grant({ timestamp, hmac });
equal(`${again.status} ${(await again.json()).error}`, '400 invalid_grant', 'the legacy request again, at the grant');

// The standard form, for a resource and a part of the scope.
const later = new Date(Date.now() + 1000).toISOString();
const wanted = card.resource_servers.find((one) => one.id !== server.id);
const scope = 'invoices:read';
const standard = await grant({
  timestamp: later, scope, resource: wanted.audience,
  hmac: sign(biller, [['biller_id', biller.id], ['user_id', user], ['timestamp', later]]),
});
const answer = await standard.json();
equal(standard.status, 200, `the standard answer ${JSON.stringify(answer)}`);
const second = await open(answer.access_token, wanted.audience);
equal(second.payload.scope, scope, 'scope');

// What a resource server must refuse.
await rejects(open(answer.access_token), (problem) => problem.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED', 'a token for another audience');
const forged = await new CompactEncrypt(new TextEncoder().encode(JSON.stringify({ ...payload, user_guid: 'mine' })))
  .setProtectedHeader({ alg: server.alg, enc: server.enc, cty: 'JWT', kid: server.kid })
  .encrypt(createPublicKey(pem));
await rejects(open(forged), (problem) => /JW[ST]/.test(problem.code ?? ''), 'claims that somebody encrypted with the public key');
const stranger = (await generateKeyPair(server.alg)).privateKey;
await rejects(compactDecrypt(token, stranger), (problem) => problem.code === 'ERR_JWE_DECRYPTION_FAILED', 'a stranger\'s key');

// signet holds the key of its own invoice API alone: introspection takes the JWS inside.
const client = card.clients.resource_server;
const introspect = async (text) => (await fetch(`${card.issuer}/introspect`, {
  method: 'POST',
  headers: { authorization: `Basic ${btoa(`${client.client_id}:${encodeURIComponent(client.client_secret)}`)}` },
  body: new URLSearchParams({ token: text }),
})).json();
const facts = await introspect(second.inner);
equal(facts.active, true, 'introspection of the JWS');
equal(facts.sub, payload.sub, 'introspection: sub');
console.log('resource server: ok');

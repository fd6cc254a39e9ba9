// The protocol part of the demo: OpenID Connect as a public client, with nothing but what browsers have.
// It shows each rule in its place; an app in production uses a certified library.

const clientID = 'spa';
const redirectURI = `${location.origin}/demo/callback`;
const home = `${location.origin}/demo`;

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function challenge(verifier) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  return base64url(new Uint8Array(hash));
}

// decode reads the two JSON parts of a JWT without verifying it: the tokens came straight from the token endpoint
// (OpenID Connect Core 3.1.3.7, rule 6). null for anything that is no JWT.
export function decode(token) {
  const parts = token.split('.');
  if (parts.length !== 3) return null;
  try {
    const [header, payload] = parts.slice(0, 2).map((part) => {
      const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(binary, (c) => c.charCodeAt(0))));
    });
    return { header, payload };
  } catch {
    return null;
  }
}

// Tokens live in sessionStorage: this tab alone, until it closes. Any script of this origin could read them, which is
// why the page's policy allows no other script.
export const store = {
  get: (key) => JSON.parse(sessionStorage.getItem(`signet-demo.${key}`) ?? 'null'),
  set: (key, value) => sessionStorage.setItem(`signet-demo.${key}`, JSON.stringify(value)),
  take(key) {
    const value = this.get(key);
    sessionStorage.removeItem(`signet-demo.${key}`);
    return value;
  },
  clear: () => Object.keys(sessionStorage).filter((key) => key.startsWith('signet-demo.')).forEach((key) => sessionStorage.removeItem(key)),
};

// note lists a request for the page. Tokens never get into the list.
function note(method, url, status) {
  const log = store.get('log') ?? [];
  log.push({ method, path: new URL(url).pathname, status });
  store.set('log', log.slice(-30));
}

async function request(method, url, options = {}) {
  let response;
  try {
    response = await fetch(url, { method, cache: 'no-store', credentials: 'omit', ...options });
  } catch {
    throw new Error('The server does not answer. Is signet dev still running in the terminal?');
  }
  note(method, url, response.status);
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = null;
  }
  if (!response.ok) {
    const problem = new Error(body?.error_description || body?.error || `The server answered ${response.status}.`);
    problem.body = body ?? { status: response.status };
    problem.status = response.status;
    problem.path = new URL(url).pathname;
    throw problem;
  }
  return body;
}

const form = (fields) => ({ body: new URLSearchParams(fields) });

let found;
export async function metadata() {
  found ??= await request('GET', `${location.origin}/.well-known/openid-configuration`);
  // OpenID Connect Discovery 4.3: the issuer must be the one that was asked.
  if (found.issuer !== location.origin) throw new Error('The server calls itself by another name than this page does.');
  return found;
}

// login leaves the page for the login page.
export async function login(scopes) {
  const { authorization_endpoint: endpoint } = await metadata();
  const pending = { state: random(), nonce: random(), verifier: random() };
  store.set('pending', pending);
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientID,
    redirect_uri: redirectURI,
    scope: ['openid', ...scopes].join(' '),
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await challenge(pending.verifier),
    code_challenge_method: 'S256',
  });
  note('GET', url, 'browser');
  location.assign(url);
}

// callback redeems the code of the address bar. What it learns is stored; the caller replaces the page, so that neither
// code nor state stays in the history.
export async function callback(params) {
  const pending = store.take('pending');
  if (!pending || params.get('state') !== pending.state) throw new Error('This answer belongs to no login that this tab began. Log in from here.');
  const { issuer, token_endpoint: endpoint } = await metadata();
  // RFC 9207: an answer without our issuer may come from another server.
  if (params.get('iss') !== issuer) throw new Error('This answer does not come from this server.');
  if (params.get('error') === 'access_denied') throw new Error('You chose Deny, so this app got nothing. Log in again whenever you like.');
  if (params.has('error')) throw new Error(params.get('error_description') || params.get('error'));
  const tokens = await request('POST', endpoint, form({
    grant_type: 'authorization_code',
    code: params.get('code') ?? '',
    redirect_uri: redirectURI,
    client_id: clientID,
    code_verifier: pending.verifier,
  }));
  check(tokens.id_token, issuer, pending.nonce);
  keep(tokens);
}

// check is OpenID Connect Core 3.1.3.7 for a token that came over the direct channel.
function check(idToken, issuer, nonce) {
  const claims = decode(idToken ?? '')?.payload;
  const audience = [claims?.aud].flat();
  if (!claims || claims.iss !== issuer || !audience.includes(clientID) || claims.exp * 1000 < Date.now()) {
    throw new Error('The ID token is not for this app.');
  }
  if (nonce !== undefined && claims.nonce !== nonce) throw new Error('The ID token belongs to another login.');
  return claims;
}

function keep(tokens) {
  const before = store.get('tokens') ?? {};
  store.set('tokens', {
    access: tokens.access_token,
    id: tokens.id_token ?? before.id,
    refresh: tokens.refresh_token ?? before.refresh,
    expires: Date.now() + (tokens.expires_in ?? 0) * 1000,
  });
}

export async function refresh() {
  const { issuer, token_endpoint: endpoint } = await metadata();
  const before = store.get('tokens');
  const tokens = await request('POST', endpoint, form({ grant_type: 'refresh_token', refresh_token: before.refresh, client_id: clientID }));
  if (tokens.id_token) {
    const claims = check(tokens.id_token, issuer);
    // OpenID Connect Core 12.2: the person must not have changed.
    if (claims.sub !== decode(before.id)?.payload.sub) throw new Error('The refreshed ID token names another person.');
  }
  keep(tokens);
}

export async function userinfo() {
  const { userinfo_endpoint: endpoint } = await metadata();
  const tokens = store.get('tokens');
  const claims = await request('GET', endpoint, { headers: { Authorization: `Bearer ${tokens.access}` } });
  // OpenID Connect Core 5.3.2: another sub means that the tokens were swapped.
  if (claims.sub !== decode(tokens.id)?.payload.sub) throw new Error('Userinfo names another person than the ID token.');
  return claims;
}

// revoke takes back the refresh token, and with it the whole family; without one, the access token.
export async function revoke() {
  const { revocation_endpoint: endpoint } = await metadata();
  const tokens = store.get('tokens');
  await request('POST', endpoint, form({ token: tokens.refresh ?? tokens.access, client_id: clientID }));
  store.set('tokens', { ...tokens, revoked: true });
}

// logout leaves the page: the session at the server ends too.
export async function logout() {
  const { end_session_endpoint: endpoint } = await metadata();
  const hint = store.get('tokens')?.id;
  store.clear();
  const state = random();
  store.set('leaving', state);
  const url = new URL(endpoint);
  url.search = new URLSearchParams({ ...(hint ? { id_token_hint: hint } : {}), client_id: clientID, post_logout_redirect_uri: home, state });
  location.assign(url);
}

// loggedOut says whether the page was opened by the server at the end of the logout that this tab began.
export function loggedOut(params) {
  return params.has('state') && params.get('state') === store.take('leaving');
}

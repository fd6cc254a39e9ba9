import { callback, decode, loggedOut, login, logout, refresh, revoke, store, userinfo } from './oidc.js';

const $ = (id) => document.getElementById(id);

function say(id, text) {
  $('status').hidden = $('problem').hidden = true;
  if (!text) return;
  $(id).textContent = text;
  $(id).hidden = false;
}

// json builds coloured text from nodes: nothing that a server sent is ever parsed as HTML.
function json(value) {
  const out = document.createDocumentFragment();
  const text = JSON.stringify(value, null, 2);
  const pattern = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d+(?:\.\d+)?|true|false|null)/g;
  const times = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at']);
  let last = 0;
  let key = '';
  for (const match of text.matchAll(pattern)) {
    out.append(text.slice(last, match.index));
    last = match.index + match[0].length;
    const span = document.createElement('span');
    span.className = match[2] ? 'k' : match[1] ? 's' : 'n';
    span.textContent = match[1] ?? match[3];
    out.append(span, match[2] ?? '');
    if (match[2]) {
      key = JSON.parse(match[1]);
    } else if (times.has(key) && match[3]) {
      const when = document.createElement('span');
      when.className = 'when';
      when.textContent = `  ${new Date(Number(match[3]) * 1000).toLocaleString()}`;
      // The comma of the line comes first.
      if (text[last] === ',') {
        out.append(',');
        last += 1;
      }
      out.append(when);
    }
  }
  out.append(text.slice(last));
  return out;
}

function block(title, content) {
  const out = document.createDocumentFragment();
  if (title) {
    const heading = document.createElement('h3');
    heading.textContent = title;
    out.append(heading);
  }
  const pre = document.createElement('pre');
  pre.tabIndex = 0;
  const code = document.createElement('code');
  code.append(content);
  pre.append(code);
  out.append(pre);
  return out;
}

function showToken(id, token) {
  const decoded = decode(token ?? '');
  $(id).replaceChildren(decoded
    ? block('Header', json(decoded.header))
    : block('', token ? `${token.slice(0, 16)}…  opaque: only the server can read it` : 'none'));
  if (decoded) $(id).append(block('Claims', json(decoded.payload)));
}

function showAnswer(title, hint, body) {
  $('answer-title').textContent = title;
  $('answer-hint').textContent = hint;
  $('answer-body').replaceChildren(json(body));
  $('answer').hidden = false;
}

function showLog() {
  const log = store.get('log') ?? [];
  $('log-empty').hidden = log.length > 0;
  $('log').replaceChildren(...log.map((entry) => {
    const item = document.createElement('li');
    const status = document.createElement('span');
    status.className = entry.status >= 400 ? 'status bad' : 'status';
    status.textContent = entry.status === 'browser' ? 'page' : entry.status;
    const what = document.createElement('span');
    what.textContent = `${entry.method} ${entry.path}`;
    item.append(status, what);
    return item;
  }));
}

function show() {
  const tokens = store.get('tokens');
  $('out').hidden = Boolean(tokens);
  $('in').hidden = !tokens;
  if (tokens) {
    const ended = tokens.expires <= Date.now();
    $('greeting').textContent = tokens.revoked ? 'Your tokens are revoked' : 'You are logged in';
    $('expiry').textContent = tokens.revoked
      ? 'You are still logged in at the server, so a new login needs no password. Log out ends that too.'
      : `The access token ${ended ? 'expired' : 'expires'} at ${new Date(tokens.expires).toLocaleTimeString()}.${ended && tokens.refresh ? ' Refresh gets a new one.' : ''}`;
    showToken('id-token', tokens.id);
    showToken('access-token', tokens.access);
    $('refresh-card').hidden = !tokens.refresh;
    showToken('refresh-token', tokens.refresh);
    $('refresh').hidden = !tokens.refresh;
    $('copy-refresh').hidden = !tokens.refresh;
  }
  showLog();
}

// explain says what a refusal means for the person in front of the page; the server's own words stand in the answer.
function explain(problem) {
  if (!problem.body) return problem.message;
  if (store.get('tokens')?.revoked) return 'Refused, as it should be: these tokens were revoked. Log out and log in again for new ones.';
  const code = problem.body.error;
  if (code === 'invalid_token') return 'The server no longer accepts this access token. Refresh, or log in again.';
  if (code === 'invalid_grant') return 'The server no longer accepts this refresh token. Log out and log in again.';
  return problem.message;
}

// act runs one action at a time and shows what became of it. The button is only said to be disabled while it runs:
// one that really is loses the focus, and with it the place of everybody who works by keyboard.
function act(id, run) {
  $(id).addEventListener('click', async () => {
    if (document.querySelector('button[aria-disabled=true]')) return;
    $(id).setAttribute('aria-disabled', 'true');
    say();
    $('answer').hidden = true;
    try {
      await run();
    } catch (problem) {
      say('problem', explain(problem));
      if (problem.body) showAnswer('What the server said', `${problem.status} from ${problem.path}`, problem.body);
    }
    $(id).removeAttribute('aria-disabled');
    show();
  });
}

// copy puts a token on the clipboard, for a curl of one's own.
function copy(id, name, field) {
  act(id, async () => {
    try {
      await navigator.clipboard.writeText(store.get('tokens')[field]);
    } catch {
      throw new Error('The browser does not let this page use the clipboard.');
    }
    say('status', `The ${name} is on the clipboard. Whoever has it can use it: paste it nowhere public.`);
  });
}

act('login', () => login([...document.querySelectorAll('input[name=scope]:checked')].map((box) => box.value)));
act('userinfo', async () => {
  const claims = await userinfo();
  say('status', `The server says who you are: ${claims.name ?? claims.preferred_username ?? claims.sub}.`);
  showAnswer('Userinfo', 'What the scopes you allowed reveal, read fresh from the server.', claims);
});
act('refresh', async () => {
  await refresh();
  say('status', 'New tokens have arrived. Compare iat and jti.');
});
act('revoke', async () => {
  await revoke();
  say('status', 'The tokens are taken back. Call userinfo or refresh and see them refused.');
});
act('logout', logout);
copy('copy-id', 'ID token', 'id');
copy('copy-access', 'access token', 'access');
copy('copy-refresh', 'refresh token', 'refresh');

if (location.pathname === '/demo/callback') {
  say('status', 'Trading the code for tokens…');
  try {
    await callback(new URLSearchParams(location.search));
  } catch (problem) {
    store.set('problem', problem.message);
  }
  // The code is spent and must not stay in the history: replace, not assign.
  location.replace('/demo');
} else {
  const problem = store.take('problem');
  if (problem) say('problem', problem);
  if (loggedOut(new URLSearchParams(location.search))) {
    history.replaceState(null, '', '/demo');
    say('status', 'You are logged out, here and at the server. The next login asks for the password again.');
  }
  show();
  if (store.get('tokens') && !problem) $('greeting').focus();
}

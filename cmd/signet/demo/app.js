import { callback, decode, loggedOut, login, logout, refresh, revoke, store, userinfo } from './oidc.js';

const $ = (id) => document.getElementById(id);

function say(id, text) {
  $('status').hidden = id !== 'status';
  $('problem').parentNode.hidden = id !== 'problem';
  if (id) $(id).textContent = text;
}

function part(kind, text) {
  const out = document.createElement('span');
  out.className = kind;
  out.textContent = text;
  return out;
}

const times = new Set(['exp', 'iat', 'nbf', 'auth_time', 'updated_at']);

// when says a time as the reader's clock does, with the date only when it is another day.
function when(seconds) {
  const date = new Date(seconds * 1000);
  return date.toDateString() === new Date().toDateString() ? date.toLocaleTimeString() : date.toLocaleString();
}

// json builds coloured lines from nodes: nothing that a server sent is ever parsed as HTML.
function json(value) {
  const line = (...parts) => {
    const out = part('line', '');
    out.append(...parts);
    return out;
  };
  const member = (head, item, comma, key) => {
    if (item === null || typeof item !== 'object' || Object.keys(item).length === 0) {
      const out = line(...head, part(typeof item === 'string' ? 'string' : 'number', JSON.stringify(item)), comma);
      // Drawn by the style, not written: what is copied from here stays JSON.
      if (times.has(key) && typeof item === 'number') out.dataset.when = when(item);
      return [out];
    }
    const list = Array.isArray(item);
    const inner = part('line', '');
    const entries = Object.entries(item);
    entries.forEach(([name, below], at) => inner.append(
      ...member(list ? [] : [part('key', JSON.stringify(name)), ': '], below, at < entries.length - 1 ? ',' : '', name),
    ));
    return [line(...head, list ? '[' : '{'), inner, line(list ? ']' : '}', comma)];
  };
  const out = document.createDocumentFragment();
  out.append(...member([], value, ''));
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
  $('log').replaceChildren(...log.reverse().map((entry) => {
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

function showState(id, over, good) {
  $(id).textContent = over || good;
  $(id).classList.toggle('over', Boolean(over));
  $(id).hidden = !(over || good);
}

function show() {
  const tokens = store.get('tokens');
  $('out').hidden = Boolean(tokens);
  $('in').hidden = $('inside').hidden = !tokens;
  // What is said stands above the login and below the buttons, so that no button moves from under the finger.
  if (tokens) $('in').after($('notices'));
  if (tokens) {
    const { revoked, refused = [] } = tokens;
    const expired = tokens.expires <= Date.now();
    const over = (name) => (revoked ? 'Revoked' : refused.includes(name) ? 'Refused' : '');
    const until = new Date(tokens.expires).toLocaleTimeString();
    const dead = revoked || (Boolean(over('access') || expired) && (!tokens.refresh || Boolean(over('refresh'))));
    $('greeting').textContent = revoked ? 'Your tokens are revoked' : dead ? 'These tokens no longer work' : 'You are logged in';
    $('expiry').textContent = revoked
      ? 'You are still logged in at the server, so a new login needs no password. Log out ends that too.'
      : dead ? 'Log in again for new ones. If the server was started anew, it knows none of the old.'
        : `The access token ${expired ? 'expired' : 'expires'} at ${until}.${expired && tokens.refresh ? ' Refresh gets a new one.' : ''}`;
    $('again').hidden = !dead;
    $('userinfo').classList.toggle('quiet', dead);
    showToken('id-token', tokens.id);
    showToken('access-token', tokens.access);
    showState('access-state', over('access') || (expired ? 'Expired' : ''), `Valid until ${until}`);
    $('refresh-card').hidden = $('refresh').hidden = !tokens.refresh;
    showToken('refresh-token', tokens.refresh);
    showState('refresh-state', over('refresh'), 'Unused');
  }
  showLog();
}

// explain says what a refusal means for the person in front of the page; the server's own words stand in the answer.
function explain(problem) {
  if (!problem.body) return problem.message;
  if (store.get('tokens')?.revoked) return 'Refused, as it should be: these tokens were revoked. Log in again for new ones.';
  const code = problem.body.error;
  if (code === 'invalid_token') return 'The server no longer accepts this access token. Refresh, or log in again.';
  if (code === 'invalid_grant') return 'The server no longer accepts this refresh token. Log in again for a new one.';
  return problem.message;
}

// note remembers which token the server refused, so that the page shows it until a new one comes.
function note(code) {
  const tokens = store.get('tokens');
  const name = { invalid_token: 'access', invalid_grant: 'refresh' }[code];
  if (tokens && name) store.set('tokens', { ...tokens, refused: [...tokens.refused ?? [], name] });
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
      note(problem.body?.error);
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

act('login', () => {
  store.set('scopes', [...document.querySelectorAll('input[name=scope]:checked')].map((box) => box.value));
  return login(store.get('scopes'));
});
act('again', () => login(store.get('scopes') ?? []));
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
  say(problem && 'problem', problem);
  if (loggedOut(new URLSearchParams(location.search))) {
    history.replaceState(null, '', '/demo');
    say('status', 'You are logged out, here and at the server. The next login asks for the password again.');
  }
  show();
  if (store.get('tokens') && !problem) $('greeting').focus();
}

import { callback, decode, login, logout, refresh, revoke, store, userinfo } from './oidc.js';

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
    : block('', 'Opaque: it means something to the server alone.'));
  if (decoded) $(id).append(block('Claims', json(decoded.payload)));
}

function showAnswer(title, body) {
  $('answer-title').textContent = title;
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
    status.textContent = entry.status;
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
    const claims = decode(tokens.id ?? '')?.payload ?? {};
    $('greeting').textContent = 'You are logged in';
    $('expiry').textContent = `As ${claims.sub ?? 'somebody'}. The access token ends at ${new Date(tokens.expires).toLocaleTimeString()}.`;
    showToken('id-token', tokens.id);
    showToken('access-token', tokens.access);
    $('refresh-card').hidden = !tokens.refresh;
    showToken('refresh-token', tokens.refresh);
    $('refresh').disabled = !tokens.refresh;
  }
  showLog();
}

// act runs one action with its button out of reach, and shows what became of it.
function act(id, run) {
  $(id).addEventListener('click', async () => {
    $(id).disabled = true;
    say();
    try {
      await run();
    } catch (problem) {
      say('problem', problem.message);
      if (problem.body) showAnswer('The server refused', problem.body);
    }
    $(id).disabled = false;
    show();
  });
}

act('login', () => login([...document.querySelectorAll('input[name=scope]:checked')].map((box) => box.value)));
act('userinfo', async () => showAnswer('Userinfo', await userinfo()));
act('refresh', async () => {
  await refresh();
  say('status', 'New tokens have arrived. Compare iat and jti.');
});
act('revoke', async () => {
  await revoke();
  say('status', 'The tokens are taken back. Call userinfo or refresh, and see them refused.');
});
act('logout', logout);

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
  show();
  if (store.get('tokens') && !problem) $('greeting').focus();
}

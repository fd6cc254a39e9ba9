// What every script shares: the card, small assertions, and a browser of forms for the libraries that have none.
import { readFileSync } from 'node:fs';

export const card = JSON.parse(readFileSync(process.argv[2], 'utf8'));
export const user = card.users[0];

export function check(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

export function equal(got, want, what) {
  if (got !== want) throw new Error(`${what}: ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

// rejects wants a promise to fail in the way that matches says.
export async function rejects(promise, matches, what) {
  try {
    await promise;
  } catch (problem) {
    if (matches(problem)) return;
    throw new Error(`${what}: fails, but not as it should`, { cause: problem });
  }
  throw new Error(`${what}: is accepted`);
}

// register makes a client by the admin API.
export async function register(metadata) {
  const answer = await fetch(`${card.admin.api_url}/clients`, {
    method: 'POST',
    headers: { authorization: `Bearer ${card.admin.api_key}`, 'content-type': 'application/json' },
    body: JSON.stringify(metadata),
  });
  const client = await answer.json();
  equal(answer.status, 201, `registration ${JSON.stringify(client)}`);
  return client;
}

// plain: the server speaks http, which the libraries take only when they are told so: on this machine alone.
export const plain = card.issuer.startsWith('http:');

const entities = { amp: '&', lt: '<', gt: '>', quot: '"' };
const unescape = (text) => text
  .replace(/&#x([0-9a-f]+);/gi, (_, hex) => String.fromCodePoint(parseInt(hex, 16)))
  .replace(/&#([0-9]+);/g, (_, number) => String.fromCodePoint(Number(number)))
  .replace(/&([a-z]+);/g, (whole, name) => entities[name] ?? whole);

function attributes(tag) {
  const found = {};
  for (const [, name, value] of tag.matchAll(/\s([a-z-]+)="([^"]*)"/g)) found[name] = unescape(value);
  return found;
}

// Forms is a browser without scripts: cookies, forms, redirects on the issuer's own pages.
export class Forms {
  #cookies = new Map();

  async open(url, body) {
    for (let hops = 0; hops < 10; hops++) {
      const response = await fetch(url, {
        method: body ? 'POST' : 'GET',
        body,
        redirect: 'manual',
        headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      });
      for (const cookie of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
        if (/;\s*max-age=(0|-\d+)/i.test(cookie)) this.#cookies.delete(name);
        else this.#cookies.set(name, value);
      }
      const html = await response.text();
      const location = response.headers.get('location');
      if (!location) return { url, html, status: response.status };
      const target = new URL(location, url);
      if (target.origin !== new URL(card.issuer).origin || target.pathname.startsWith('/demo')) return { callback: target };
      [url, body] = [target, undefined];
    }
    throw new Error(`too many redirects at ${url}`);
  }

  // click submits the form around the button with that id.
  async click(page, id, values = {}) {
    for (const [, tag, inside] of page.html.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)) {
      const button = [...inside.matchAll(/<button[^>]*>/g)].map(([text]) => attributes(text)).find((found) => found.id === id);
      if (!button) continue;
      const fields = new URLSearchParams();
      for (const [input] of inside.matchAll(/<input[^>]*>/g)) {
        const { name, value = '' } = attributes(input);
        if (name) fields.set(name, values[name] ?? value);
      }
      if (button.name) fields.set(button.name, button.value);
      return this.open(new URL(attributes(tag).action, page.url), fields);
    }
    throw new Error(`no button #${id} on ${page.url} (${page.status}):\n${page.html}`);
  }

  // logIn does what the pages ask and returns the URL at the client's side.
  async logIn(url) {
    let page = await this.open(url);
    for (let steps = 0; steps < 4 && !page.callback; steps++) {
      page = page.html.includes('id="password"')
        ? await this.click(page, 'login', { username: user.username, password: user.password })
        : await this.click(page, 'consent-allow');
    }
    check(page.callback, 'the pages lead to the client');
    return page.callback;
  }

  // logOut ends the session and returns the URL at the client's side.
  async logOut(url) {
    let page = await this.open(url);
    if (!page.callback) page = await this.click(page, 'logout-confirm');
    check(page.callback, 'logout leads to the client');
    return page.callback;
  }
}

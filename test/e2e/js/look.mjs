// What must hold of a page for whoever looks at it: nothing sticks out, everything can be read, hit, named and reached.
import { join } from 'node:path';
import { check, equal } from './card.mjs';

const widths = [[320, 640], [768, 860], [1440, 780]];
const focusable = 'a[href], button, summary, input:not([type=hidden]), pre[tabindex="0"]';

// fits fails when anything sticks out sideways, or when a thing to press is smaller than WCAG 2.2 allows (2.5.8; a box
// to tick is pressed by its label).
export async function fits(page, name) {
  const found = await page.evaluate((targets) => ({
    over: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    clipped: [...document.querySelectorAll('main *')]
      .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.aloud')).map((e) => e.outerHTML),
    small: [...document.querySelectorAll(targets)].map((e) => e.closest('label') ?? e)
      .filter((e) => e.checkVisibility() && !e.matches('.skip') && e.getBoundingClientRect().height < 40).map((e) => e.outerHTML),
  }), focusable);
  equal(found.over, 0, `${name}: pixels to scroll sideways`);
  equal(found.clipped.length, 0, `${name}: elements beyond the edge: ${found.clipped}`);
  equal(found.small.length, 0, `${name}: targets below 40 px: ${found.small}`);
}

// reads fails for text of less contrast than WCAG 2.2 wants (1.4.3), and for fields, buttons and signs whose edge or ground
// is no better than 3 : 1 (1.4.11), all as the browser computed them.
export async function reads(page, name) {
  const { seen, poor } = await page.evaluate(() => {
    const channels = (color) => color.match(/[\d.]+/g).map(Number);
    const luminance = (color) => channels(color).slice(0, 3)
      .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => {
      const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
      return (high + 0.05) / (low + 0.05);
    };
    const clear = (color) => channels(color)[3] === 0;
    const ground = (e) => {
      for (; e; e = e.parentElement) {
        const { backgroundColor } = getComputedStyle(e);
        if (!clear(backgroundColor)) return backgroundColor;
      }
      return 'rgb(255, 255, 255)';
    };
    const poor = [];
    let seen = 0;
    const want = (what, front, back, least) => {
      seen += 1;
      if (ratio(front, back) < least) poor.push(`${what}: ${front} on ${back} has ${ratio(front, back).toFixed(2)}, want ${least}`);
    };
    for (const e of document.body.querySelectorAll('*')) {
      if (!e.checkVisibility({ visibilityProperty: true }) || e.matches('noscript, script')) continue;
      const style = getComputedStyle(e);
      const what = `${e.localName}#${e.id}.${e.className}`;
      const big = parseFloat(style.fontSize) >= 24;
      if ([...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim())) want(what, style.color, ground(e), big ? 3 : 4.5);
      if (e.matches('input[type=text], input[type=password]')) {
        want(`${what} text`, style.color, style.backgroundColor, 4.5);
        want(`${what} border`, style.borderTopColor, ground(e.parentElement), 3);
      }
      if (e.matches('button, .button')) {
        const around = ground(e.parentElement);
        const edge = ratio(style.backgroundColor, around) > ratio(style.borderTopColor, around) ? style.backgroundColor : style.borderTopColor;
        want(`${what} edge`, edge, around, 3);
      }
      const sign = getComputedStyle(e, '::before');
      if (sign.content.includes('!')) {
        want(`${what} sign`, sign.color, sign.backgroundColor, 4.5);
        want(`${what} ground of the sign`, sign.backgroundColor, ground(e), 3);
      }
    }
    return { seen, poor };
  });
  check(seen > 2, `${name}: ${seen} pairs of colors were compared`);
  equal(poor.length, 0, `${name}: ${poor.join('\n')}`);
}

// named fails when a screen reader would meet a thing without a name, or a page without its frame.
export async function named(page, name) {
  const found = await page.evaluate((targets) => ({
    nameless: [...document.querySelectorAll(targets)].filter((e) => e.checkVisibility())
      .filter((e) => (e.localName === 'input' ? e.labels.length !== 1 || !e.labels[0].textContent.trim()
        : !(e.getAttribute('aria-label') || e.textContent).trim())).map((e) => e.outerHTML),
    lost: [...document.querySelectorAll('[aria-describedby], [aria-labelledby]')]
      .filter((e) => e.checkVisibility() && !document.getElementById(e.getAttribute('aria-describedby') ?? e.getAttribute('aria-labelledby'))?.textContent.trim())
      .map((e) => e.outerHTML),
    headings: [...document.querySelectorAll('h1')].filter((e) => e.checkVisibility()).length,
    mains: document.querySelectorAll('main').length,
    lang: document.documentElement.lang,
    twice: [...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, at, all) => all.indexOf(id) !== at),
  }), focusable);
  equal(JSON.stringify(found), JSON.stringify({ nameless: [], lost: [], headings: 1, mains: 1, lang: 'en', twice: [] }), `${name}: for a screen reader`);
}

// reached goes through the page by Tab: every stop in the order of the page, with a ring of 3 : 1 around it.
export async function reached(page, name) {
  const stops = await page.evaluate((targets) => {
    window.stops = [...document.querySelectorAll(targets)].filter((e) => e.checkVisibility());
    window.stops[0]?.focus();
    return window.stops.length;
  }, focusable);
  for (let at = 0; at < stops; at++) {
    if (at > 0) await page.keyboard.press('Tab');
    else if (stops > 1) { // a ring is shown to whoever uses keys
      await page.keyboard.press('Tab');
      await page.keyboard.press('Shift+Tab');
    }
    const now = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { at: window.stops.indexOf(document.activeElement), ring: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 };
    });
    equal(now.at, at, `${name}: the stop by Tab`);
    if (stops > 1) check(now.ring, `${name}: stop ${at} shows that it has the focus`);
  }
}

// look is all of it, in both schemes and at each width, and at 400 % zoom; with a folder it keeps pictures there.
export async function look(page, name, folder) {
  await named(page, name);
  const grounds = new Set();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' }); // without transitions: colors are at rest at once
    for (const [width, height] of widths) {
      await page.setViewportSize({ width, height });
      await fits(page, `${name} at ${width}`);
      if (folder) await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`), fullPage: true, animations: 'disabled' });
    }
    await reads(page, `${name}, ${colorScheme}`);
    grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
  }
  equal(grounds.size, 2, `${name}: grounds in light and dark`);
  await page.setViewportSize({ width: 320, height: 256 }); // 1280 × 1024 at 400 % (WCAG 2.2, 1.4.10)
  await fits(page, `${name} at 400 %`);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: 'light' });
}

// inline.js - the inside of a paragraph: emphasis, code, links, breaks. Gives a tree; no DOM here.
//
//   {type: 'text', text} {type: 'code', text} {type: 'math', text} {type: 'br'}
//   {type: 'em' | 'strong' | 'del', kids} {type: 'link', href, kids}
//
// Model text may be hostile: each character is looked at a bounded number of times, nesting is bounded, and a link's
// address is http, https or mailto, or the link is shown as it was written.

const MAX_DEPTH = 8;
const REACH = 2000; // how far ahead a bracket looks for its partner
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const SPACE = /\s/;
const PUNCTUATION = /[\p{P}\p{S}]/u;
const CJK = /[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]/; // with its punctuation: no spaces there to lean on
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', '#39': "'" };

export function safeHref(href) {
  return /^(https?:\/\/|mailto:)[^\s<>"]+$/i.test(href) ? href : null;
}

export function parseInline(s, depth = 0, inLink = false) {
  const out = []; // nodes, and runs of delimiters {type: 'run', ch, n, opens, closes}
  let text = '';
  const flush = () => {
    if (text) out.push({ type: 'text', text });
    text = '';
  };
  const push = (node) => { flush(); out.push(node); };
  const noTicks = new Set(); // lengths of backtick runs that have no partner from here on
  let i = 0, tries = 200; // a paragraph of nothing but "[" is not searched from each of them
  while (i < s.length) {
    const ch = s[i];
    if (ch === '\\') {
      const next = s[i + 1];
      const end = next === '(' ? s.indexOf('\\)', i + 2) : -1;
      if (end > 0 && end - i < REACH) {
        push({ type: 'math', text: s.slice(i + 2, end).trim() });
        i = end + 2;
      } else if (next === '\n') {
        push({ type: 'br' });
        i += 2;
      } else if (next && ESCAPABLE.test(next)) {
        text += next;
        i += 2;
      } else {
        text += ch;
        i++;
      }
    } else if (ch === '`') {
      let n = 1;
      while (s[i + n] === '`') n++;
      const end = noTicks.has(n) ? -1 : closingTicks(s, i + n, n);
      if (end < 0) {
        noTicks.add(n);
        text += s.slice(i, i + n);
        i += n;
      } else {
        let code = s.slice(i + n, end).replace(/\n/g, ' ');
        if (/^ .*[^ ].* $/.test(code)) code = code.slice(1, -1);
        push({ type: 'code', text: code });
        i = end + n;
      }
    } else if (ch === '*' || ch === '_' || ch === '~') {
      let n = 1;
      while (s[i + n] === ch) n++;
      flush();
      out.push(run(s, i, n, ch));
      i += n;
    } else if (ch === '\n') {
      const hard = /  +$/.test(text.slice(-8));
      text = text.replace(/ {1,64}$/, '');
      push(hard ? { type: 'br' } : { type: 'soft' });
      i++;
    } else if ((ch === '[' || (ch === '!' && s[i + 1] === '[')) && !inLink) {
      const link = tries > 0 ? bracket(s, ch === '!' ? i + 1 : i) : null;
      if (link) {
        const label = depth < MAX_DEPTH ? parseInline(link.label, depth + 1, true) : [{ type: 'text', text: link.label }];
        // A picture from elsewhere is a link to it: looking at an answer must not fetch anything.
        push({ type: 'link', href: link.href, kids: label.length ? label : [{ type: 'text', text: link.href }] });
        i = link.end;
      } else {
        tries--;
        text += ch;
        i++;
      }
    } else if (ch === '<') {
      const m = /^<(https?:\/\/[^\s<>]{1,2000}|[\w.+-]{1,64}@[\w.-]{1,255})>/i.exec(s.slice(i, i + 2100));
      const br = /^<br ?\/?>/i.exec(s.slice(i, i + 6));
      if (m && !inLink) {
        const href = m[1].includes('://') ? m[1] : 'mailto:' + m[1];
        push(safeHref(href) ? { type: 'link', href, kids: [{ type: 'text', text: m[1] }] } : { type: 'text', text: m[0] });
        i += m[0].length;
      } else if (br) {
        push({ type: 'br' });
        i += br[0].length;
      } else {
        text += ch;
        i++;
      }
    } else if (ch === 'h' && !inLink && s.startsWith('http', i) && !/\w$/.test(text)) {
      const m = /^https?:\/\/[^\s<>"`\u2018-\u201d\u3000-\u303f\uff00-\uffef\u4e00-\u9fff]{1,2000}/.exec(s.slice(i, i + 2020));
      const href = m && trimUrl(m[0]);
      if (href && safeHref(href)) {
        push({ type: 'link', href, kids: [{ type: 'text', text: href }] });
        i += href.length;
      } else {
        text += ch;
        i++;
      }
    } else if (ch === '&') {
      const m = /^&(#?\w{2,5});/.exec(s.slice(i, i + 8));
      const known = m && ENTITIES[m[1]];
      text += known || ch;
      i += known ? m[0].length : 1;
    } else {
      text += ch;
      i++;
    }
  }
  flush();
  return pair(out);
}

function closingTicks(s, from, n) {
  for (let i = s.indexOf('`', from); i >= 0; i = s.indexOf('`', i)) {
    let m = 1;
    while (s[i + m] === '`') m++;
    if (m === n) return i;
    i += m;
  }
  return -1;
}

function trimUrl(url) {
  url = url.replace(/[.,;:!?'*_~]{1,64}$/, '');
  while (url.endsWith(')') && url.split('(').length < url.split(')').length) url = url.slice(0, -1);
  return url;
}

// "[label](href "title")" from the bracket at i; null if it is none, or none that may be followed.
function bracket(s, i) {
  const limit = Math.min(s.length, i + REACH);
  let level = 0, close = -1;
  for (let k = i; k < limit && close < 0; k++) {
    if (s[k] === '\\') k++;
    else if (s[k] === '[') level++;
    else if (s[k] === ']' && --level === 0) close = k;
  }
  if (close < 0 || s[close + 1] !== '(') return null;
  const m = /^\(\s*(?:<([^<>\n]*)>|((?:[^\s()]|\((?:[^\s()]){0,200}\)){1,1900}))(?:\s+(?:"[^"]{0,300}"|'[^']{0,300}'))?\s*\)/.exec(s.slice(close + 1, close + 1 + REACH));
  const href = m && safeHref(m[1] ?? m[2]);
  return href ? { label: s.slice(i + 1, close), href, end: close + 1 + m[0].length } : null;
}

// May a run of delimiters open or close? CommonMark's flanking rules; but a neighbour from a script without spaces does
// not count as a letter, or **“强调”**也 would stay as it is.
function run(s, i, n, ch) {
  const before = i > 0 ? s[i - 1] : ' ', after = i + n < s.length ? s[i + n] : ' ';
  const loose = (c) => SPACE.test(c) || CJK.test(c) || PUNCTUATION.test(c);
  let opens = !SPACE.test(after) && (!PUNCTUATION.test(after) || loose(before));
  let closes = !SPACE.test(before) && (!PUNCTUATION.test(before) || loose(after));
  if (ch === '_') [opens, closes] = [opens && loose(before), closes && loose(after)];
  if (ch === '~' && n !== 2) opens = closes = false;
  return { type: 'run', ch, n, opens, closes };
}

// Matches closing runs with the nearest opening ones. `open` is a stack of places in `out`; what is skipped is dropped, so
// every run is looked at once or twice.
function pair(tokens) {
  const out = [];
  const open = { '*': [], _: [], '~': [] };
  const forget = (place) => {
    for (const stack of Object.values(open)) while (stack.length && stack[stack.length - 1] >= place) stack.pop();
  };
  for (const token of tokens) {
    if (token.type !== 'run') {
      out.push(token);
      continue;
    }
    const stack = open[token.ch];
    while (token.closes && token.n > 0 && stack.length) {
      const place = stack[stack.length - 1], opener = out[place];
      const use = token.ch === '~' ? 2 : opener.n >= 2 && token.n >= 2 ? 2 : 1;
      if (place === out.length - 1) break; // nothing between them
      const kids = plain(out.splice(place + 1));
      opener.n -= use;
      token.n -= use;
      forget(place + 1);
      if (opener.n === 0) {
        out.pop();
        stack.pop();
      }
      out.push({ type: token.ch === '~' ? 'del' : use === 2 ? 'strong' : 'em', kids });
    }
    if (token.n > 0) {
      if (token.opens && stack.length < 200) stack.push(out.length);
      out.push(token);
    }
  }
  return plain(out);
}

const plain = (nodes) => nodes.map((x) => (x.type === 'run' ? { type: 'text', text: x.ch.repeat(x.n) } : x));

// highlight.js - quiet colours for code in any language: comments, strings, numbers and common keywords. It does not
// parse; where it is wrong, a word has the wrong shade.
import { h } from './dom.js';

const WORDS = new Set(('and as async await begin break case catch class const continue def default defer delete do done echo elif else end enum ' +
  'export extends extern false fi finally fn for foreach from func function global go if impl import in include inline interface is lambda let local ' +
  'loop match mod module mut new nil none not null of or package pass private protected pub public raise return select self static struct super ' +
  'switch then this throw trait true try type typedef typeof union unsafe use using var virtual void volatile when where while with yield ' +
  'None True False SELECT FROM WHERE JOIN LEFT INNER ON GROUP BY ORDER LIMIT INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE AND OR NOT NULL AS').split(' '));
const HASH = /^(py|python|sh|bash|zsh|shell|console|ruby|rb|perl|r|yaml|yml|toml|make|makefile|dockerfile|cmake|conf|ini|nix|elixir|ex)$/i;
const DASH = /^(sql|lua|haskell|hs|ada|vhdl)$/i;
const NONE = /^(text|txt|plain|markdown|md|diff|patch|)$/i;
const MAX = 50000; // longer listings stay plain: they are data

export function highlight(text, lang) {
  if (text.length > MAX || NONE.test(lang)) return [text];
  const comment = HASH.test(lang) ? '#.*' : DASH.test(lang) ? '--.*' : /^(html|xml|svg)$/i.test(lang) ? '<!--[^]*?-->' : '\\/\\/.*|\\/\\*[^]*?(?:\\*\\/|$)';
  const token = new RegExp(`(${comment})|("(?:\\\\.|[^"\\\\\\n])*"|'(?:\\\\.|[^'\\\\\\n])*'|\`(?:\\\\.|[^\`\\\\])*\`)|(\\b\\d[\\w.]*\\b)|([A-Za-z_]\\w*)`, 'g');
  const out = [];
  let at = 0, plain = '';
  const flush = () => { if (plain) out.push(plain); plain = ''; };
  for (let m; (m = token.exec(text)); at = token.lastIndex) {
    const kind = m[1] ? 'c' : m[2] ? 's' : m[3] ? 'n' : WORDS.has(m[4]) ? 'k' : null;
    plain += text.slice(at, m.index);
    if (kind) {
      flush();
      out.push(h('span', { class: 'tok-' + kind }, m[0]));
    } else {
      plain += m[0];
    }
  }
  plain += text.slice(at);
  flush();
  return out;
}

// render.js - a markdown tree as elements, and a view of a growing text that touches only what changed.
import { add, copyText, h } from './dom.js';
import { highlight } from './highlight.js';
import { t } from './i18n.js';
import { parseInline } from './inline.js';
import { parseMarkdown } from './markdown.js';

export function inline(text) {
  return parseInline(text).map(inlineNode);
}

function inlineNode(n) {
  switch (n.type) {
    case 'text': return n.text;
    case 'soft': // models break lines where they mean it, in verses and addresses
    case 'br': return h('br');
    case 'code': return h('code', null, n.text);
    case 'math': return h('code', { class: 'math' }, n.text);
    case 'link': return h('a', { href: n.href, target: '_blank', rel: 'noopener noreferrer nofollow' }, n.kids.map(inlineNode));
    default: return h(n.type, null, n.kids.map(inlineNode));
  }
}

function block(b) {
  switch (b.type) {
    case 'heading': return h('h' + Math.min(6, b.level + 2), { class: 'h' + b.level }, inline(b.text)); // h1 and h2 are the page's own
    case 'hr': return h('hr');
    case 'code': return codeBlock(b);
    case 'math': return h('pre', { class: 'math', tabindex: 0 }, b.text);
    case 'quote': return h('blockquote', null, b.blocks.map(block));
    case 'list': return list(b);
    case 'table': return table(b);
    default: return h('p', null, inline(b.text));
  }
}

// A single paragraph in an item is shown without its margins.
function item({ task, blocks }) {
  const tight = blocks.filter((b) => b.type === 'para').length <= 1;
  const kids = blocks.flatMap((b) => (tight && b.type === 'para' ? inline(b.text) : [block(b)]));
  if (task === null) return h('li', null, kids);
  return h('li', { class: 'task' }, h('input', { type: 'checkbox', disabled: true, checked: task }), ' ', kids);
}

function list(b) {
  return h(b.ordered ? 'ol' : 'ul', b.ordered && b.start !== 1 ? { start: b.start } : null, b.items.map(item));
}

function table(b) {
  const cell = (tag) => (text, i) => h(tag, { class: 'to-' + (b.align[i] || 'start'), scope: tag === 'th' ? 'col' : null }, inline(text));
  // Wider than the page, it scrolls by itself; it takes focus so that keys can scroll it.
  return h('div', { class: 'table', tabindex: 0, role: 'group', 'aria-label': t('prose.table') },
    h('table', null, h('thead', null, h('tr', null, b.head.map(cell('th')))),
      h('tbody', null, b.rows.map((r) => h('tr', null, r.map(cell('td')))))));
}

function codeBlock(b) {
  const button = h('button', { class: 'plain', type: 'button' }, t('prose.copy'));
  button.addEventListener('click', async () => {
    button.textContent = t((await copyText(b.text)) ? 'prose.copied' : 'prose.notCopied');
    setTimeout(() => { button.textContent = t('prose.copy'); }, 1500);
  });
  return h('figure', { class: 'code' },
    h('figcaption', null, h('span', null, b.lang || t('prose.code')), button),
    h('pre', { tabindex: 0 }, add(h('code'), highlight(b.text, b.lang))));
}

// prose.update(text) shows the text; blocks whose source is as before keep their elements, and with them a reader's
// selection, focus and scroll position.
export function prose(root) {
  let shown = [];
  return {
    update(text) {
      const blocks = parseMarkdown(text);
      let same = 0;
      while (same < shown.length && same < blocks.length && shown[same].raw === blocks[same].raw && shown[same].type === blocks[same].type) same++;
      for (const old of shown.splice(same)) old.element.remove();
      for (const b of blocks.slice(same)) {
        const element = block(b);
        root.append(element);
        shown.push({ raw: b.raw, type: b.type, element });
      }
    },
  };
}

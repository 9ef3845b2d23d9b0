// parts.js - small pieces that every page uses: buttons, the light, dialogs, menus, messages at the edge.
import { add, h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { icon } from './icons.js';

// An icon that says its name to screen readers and on hover.
export function iconButton(name, label, onclick, props = {}) {
  return h('button', { type: 'button', class: 'icon-button', title: label, 'aria-label': label, onclick, ...props }, icon(name));
}

export function button(label, onclick, props = {}) {
  return h('button', { type: 'button', class: 'button', onclick, ...props }, label);
}

// Glim's dot: it glows where something is being written.
export const light = (label) => h('span', { class: 'light', ...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' }) });

export function wordmark() {
  return h('span', { class: 'wordmark', role: 'img', 'aria-label': 'Glim' }, 'Gl', h('span', { class: 'i' }, 'ı'), 'm');
}

let fields = 0;
// A control with its label; note is a sentence below it.
export function field(label, control, { note, extra } = {}) {
  const id = 'field-' + ++fields;
  control.id = id;
  if (note) control.setAttribute('aria-describedby', id + '-note');
  return h('div', { class: 'field' },
    h('div', { class: 'field-head' }, h('label', { for: id }, label), extra),
    control, note && h('p', { class: 'note', id: id + '-note' }, note));
}

export function choice(options, value, onchange) {
  const select = h('select', { class: 'control', onchange: () => onchange(select.value) },
    options.map(([id, name]) => h('option', { value: id, selected: id === value }, name)));
  return select;
}

// A modal dialog. `build(close)` gives its content; resolves to what close() was given, undefined when it was dismissed.
export function dialog(title, build) {
  return new Promise((resolve) => {
    let result;
    const had = document.activeElement;
    const close = (value) => { result = value; box.close(); };
    const box = h('dialog', { class: 'dialog', 'aria-label': title });
    add(box, [h('h2', null, title), build(close)]);
    box.addEventListener('close', () => {
      box.remove();
      if (had?.isConnected) had.focus();
      resolve(result);
    });
    box.addEventListener('pointerdown', (e) => { if (e.target === box) close(); }); // beside it
    document.body.append(box);
    box.showModal();
  });
}

// Asks for one line of text; undefined when dismissed.
export function askText(title, { value = '', label, action, type = 'text', note, placeholder } = {}) {
  return dialog(title, (close) => {
    const input = h('input', { class: 'control', type, value, placeholder, autocomplete: 'off', spellcheck: 'false', autofocus: true });
    queueMicrotask(() => input.select());
    return h('form', { onsubmit: (e) => { e.preventDefault(); close(input.value); } },
      field(label, input, { note }),
      h('div', { class: 'actions' }, button(t('ui.cancel'), () => close()), h('button', { class: 'button primary', type: 'submit' }, action || t('ui.save'))));
  });
}

// A menu at a button: [{label, run, danger}]. Arrow keys move, Escape closes, focus returns.
export function openMenu(anchor, items) {
  const close = (refocus) => {
    removeEventListener('pointerdown', outside, true);
    removeEventListener('resize', quit);
    removeEventListener('scroll', quit, true);
    menu.remove();
    anchor.setAttribute('aria-expanded', 'false');
    if (refocus) anchor.focus();
  };
  const quit = () => close(false);
  const outside = (e) => { if (!menu.contains(e.target)) close(false); };
  const menu = h('div', { class: 'menu', role: 'menu' }, items.filter(Boolean).map((item) => h('button', {
    type: 'button', role: 'menuitem', tabindex: -1, class: item.danger ? 'danger' : null, onclick: () => { close(true); item.run(); },
  }, item.label)));
  menu.addEventListener('keydown', (e) => {
    const all = [...menu.children], at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to !== undefined) {
      e.preventDefault();
      all[(to + all.length) % all.length].focus();
    } else if (e.key === 'Escape' || e.key === 'Tab') {
      e.preventDefault();
      e.stopPropagation();
      close(true);
    }
  });
  document.body.append(menu);
  const a = anchor.getBoundingClientRect(), m = menu.getBoundingClientRect();
  menu.style.left = Math.max(8, Math.min(a.right - m.width, innerWidth - m.width - 8)) + 'px';
  menu.style.top = (a.bottom + m.height + 8 < innerHeight ? a.bottom + 4 : Math.max(8, a.top - m.height - 4)) + 'px';
  anchor.setAttribute('aria-expanded', 'true');
  menu.firstElementChild.focus();
  addEventListener('pointerdown', outside, true);
  addEventListener('resize', quit);
  addEventListener('scroll', quit, true);
}

// A sentence at the edge of the page, with one thing to do about it.
let shelf;
export function toast(text, action, run) {
  shelf ||= document.body.appendChild(h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' }));
  const one = h('div', { class: 'toast' }, h('span', null, text),
    action && h('button', { type: 'button', class: 'plain', onclick: () => { one.remove(); run(); } }, action));
  shelf.replaceChildren(one);
  setTimeout(() => one.remove(), action ? 9000 : 5000);
}

// Says a sentence to screen readers.
let speaker;
export function announce(text) {
  speaker ||= document.body.appendChild(h('div', { class: 'offscreen', role: 'status', 'aria-live': 'polite' }));
  speaker.textContent = '';
  requestAnimationFrame(() => { speaker.textContent = text; });
}

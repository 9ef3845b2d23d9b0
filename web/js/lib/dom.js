// dom.js - builds elements. Text always becomes a text node: no string is ever parsed as markup.

// h('button', {class: 'send', disabled: true, onclick: f, 'aria-label': '…'}, child, [children], 'text', null)
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name === 'class') e.className = value;
    else if (name === 'dataset') Object.assign(e.dataset, value);
    else if (name === 'value' || name === 'checked' || name === 'selected') e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  add(e, children);
  return e;
}

export function add(parent, children) {
  for (const c of children) {
    if (Array.isArray(c)) add(parent, c);
    else if (c !== null && c !== undefined && c !== false) parent.append(c);
  }
  return parent;
}

export function fill(parent, ...children) {
  parent.replaceChildren();
  return add(parent, children);
}

// Runs f once in the next frame, however often it is asked for.
export function oncePerFrame(f) {
  let asked = 0;
  const run = () => { asked = 0; f(); };
  const later = () => { asked ||= requestAnimationFrame(run); };
  later.cancel = () => { cancelAnimationFrame(asked); asked = 0; };
  return later;
}

// Works without https too, where navigator.clipboard does not exist.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h('textarea', { class: 'offscreen', value: text, 'aria-hidden': 'true' });
    const had = document.activeElement;
    (document.querySelector('dialog[open]') || document.body).append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    had?.focus?.();
    return done;
  }
}

export function saveFile(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = h('a', { href: url, download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// A dozen characters nobody else has; crypto.randomUUID is missing where there is no https.
export function newId() {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
  return Array.from(crypto.getRandomValues(new Uint8Array(14)), (b) => alphabet[b & 31]).join('');
}

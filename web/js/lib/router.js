// router.js - "#/chat/ID" is page "chat" with the arguments ["ID"]. Fragments, so that the server knows one page.
import { signal } from './signal.js';

function parse() {
  const [page = '', ...args] = location.hash.replace(/^#\/?/, '').split('/').map((s) => {
    try { return decodeURIComponent(s); } catch { return s; }
  });
  return { page, args };
}

export const route = signal(parse());
addEventListener('hashchange', () => route.set(parse()));

export const link = (page, ...args) => '#/' + [page, ...args].map(encodeURIComponent).join('/');

export function go(page, ...args) {
  if (location.hash !== link(page, ...args)) location.hash = link(page, ...args);
}

// The same, without an entry in the browser's history.
export function become(page, ...args) {
  history.replaceState(null, '', link(page, ...args));
  route.set(parse());
}

// shell.js - what surrounds every page: the column with the pages' names, the bar above, the drawer on a phone.
//
// A page is a module with `mount(place)`, which fills place.main, place.side (below the navigation) and place.bar, and returns
// {update(args), unmount()}. The shell mounts the page that the route names (pages/index.js) and keeps it until the route
// names another one; when the language changes, it mounts everything anew.
import { fill, h } from '../lib/dom.js';
import { language, t } from '../lib/i18n.js';
import { go, link, route } from '../lib/router.js';
import { scope } from '../lib/signal.js';
import { find, pages } from '../pages/index.js';
import { iconButton, wordmark } from './parts.js';

export function shell(root) {
  let page = null, mounted = null, ended = null, turn = 0;
  const narrow = matchMedia('(max-width: 860px)');

  const side = h('div', { class: 'side-page' });
  const aside = h('aside', { class: 'side', id: 'side' });
  const main = h('main', { class: 'main', id: 'main', tabindex: -1 });
  const bar = h('div', { class: 'bar-page' });
  const head = h('header', { class: 'bar' });
  const veil = h('div', { class: 'veil', onclick: () => drawer(false) });
  const body = h('div', { class: 'body' }, head, main);
  const frame = h('div', { class: 'shell' }, aside, veil, body);

  function drawer(open, focus = true) {
    frame.classList.toggle('open', open);
    body.inert = open && narrow.matches;
    aside.inert = !open && narrow.matches;
    frame.querySelector('.opener')?.setAttribute('aria-expanded', String(open));
    if (!focus) return;
    if (open) aside.querySelector('a, button, input')?.focus();
    else if (narrow.matches) frame.querySelector('.opener')?.focus();
  }

  function navigation(place) {
    const list = pages.filter((p) => p.place === place);
    if (list.length === 1 && list[0] === page && place === 'main') return null; // one page needs no way to itself
    return h('nav', { class: 'nav nav-' + place, 'aria-label': t('nav.' + place) },
      list.map((p) => h('a', { href: link(p.id), 'aria-current': p === page ? 'page' : null }, t(p.title))));
  }

  function dress() {
    fill(aside,
      h('div', { class: 'side-head' },
        h('a', { class: 'home', href: link(pages[0].id), 'aria-label': 'Glim' }, wordmark()),
        iconButton('close', t('nav.close'), () => drawer(false), { class: 'icon-button closer' })),
      navigation('main'), side, navigation('foot'));
    fill(head, iconButton('menu', t('nav.open'), () => drawer(true), { class: 'icon-button opener', 'aria-expanded': 'false', 'aria-controls': 'side' }), bar);
    const skip = root.querySelector('.skip') || root.insertBefore(h('a', { class: 'skip', href: '#main', onclick: (e) => { e.preventDefault(); main.focus(); } }), root.firstChild);
    skip.textContent = t('nav.skip');
    drawer(false, false);
  }

  async function show(anew) {
    const mine = ++turn;
    const next = find(route.value.page);
    if (!next) return go(pages[0].id);
    if (next === page && mounted && !anew) {
      drawer(false, frame.classList.contains('open'));
      return mounted.update?.(route.value.args);
    }
    const module = await next.load();
    if (mine !== turn) return;
    mounted?.unmount?.();
    ended?.end();
    const changed = page !== next;
    page = next;
    ended = scope();
    for (const e of [main, side, bar]) e.replaceChildren();
    main.className = 'main page-' + page.id;
    dress();
    mounted = module.mount({ main, side, bar, scope: ended, args: route.value.args, closeDrawer: () => drawer(false) });
    if (changed && anew !== 'first') main.focus({ preventScroll: true });
  }

  addEventListener('keydown', (e) => { if (e.key === 'Escape' && frame.classList.contains('open') && !e.defaultPrevented) drawer(false); });
  narrow.addEventListener('change', () => drawer(false, false));
  // A finger that moves right from the left edge pulls the drawer out, one that moves left pushes it back.
  let from = null;
  root.addEventListener('touchstart', (e) => { from = e.touches.length === 1 ? e.touches[0] : null; }, { passive: true });
  root.addEventListener('touchend', (e) => {
    const to = e.changedTouches[0];
    if (!from || !narrow.matches || Math.abs(to.clientX - from.clientX) < 60 || Math.abs(to.clientY - from.clientY) > 50) return;
    if (to.clientX < from.clientX && frame.classList.contains('open')) drawer(false);
  }, { passive: true });

  root.append(frame);
  route.watch(() => show());
  language.watch(() => show(true));
  return show('first');
}

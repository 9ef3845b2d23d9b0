// list.js - the conversations in the side column: new, search, by age, and what can be done with each.
import { fill, h, saveFile } from '../../lib/dom.js';
import { t } from '../../lib/i18n.js';
import { link, route } from '../../lib/router.js';
import { askText, light, openMenu, iconButton, toast } from '../../ui/parts.js';
import { icon } from '../../ui/icons.js';
import { asMarkdown } from './conversation.js';
import { exportFile, heads, openConversation, remove, rename, search } from './history.js';
import { running, stop } from './runs.js';

const DAY = 86400000;

function ageOf(ms) {
  const today = new Date().setHours(0, 0, 0, 0);
  return ms >= today ? 'today' : ms >= today - DAY ? 'yesterday' : ms >= today - 7 * DAY ? 'week' : ms >= today - 30 * DAY ? 'month' : 'older';
}

const fileName = (title) => (title || 'glim').replace(/[\\/:*?"<>|\u0000-\u001f]+/g, ' ').trim().slice(0, 60) || 'glim';

export async function renameAsk(id) {
  const was = heads.value.find((x) => x.id === id);
  const title = await askText(t('list.rename'), { label: t('list.name'), value: was?.title || '' });
  if (title !== undefined && title.trim()) await rename(id, title.trim().slice(0, 200));
}

export async function deleteWithUndo(ids) {
  ids.forEach(stop);
  const back = await remove(ids);
  toast(ids.length === 1 ? t('list.deleted') : t('list.deletedMany', { n: ids.length }), t('ui.undo'), back);
}

// What the menus of the list and of the bar hold.
export function actionsFor(id, onDelete) {
  return [
    { label: t('list.rename'), run: () => renameAsk(id) },
    { label: t('list.exportMarkdown'), run: async () => {
      const c = await openConversation(id);
      const names = { untitled: t('list.untitled'), system: t('panel.system'), user: t('chat.you'), assistant: t('chat.answer'), tool: t('chat.toolResult') };
      saveFile(fileName(c.title) + '.md', 'text/markdown', asMarkdown(c, names));
    } },
    { label: t('list.exportJson'), run: async () => saveFile(fileName(heads.value.find((x) => x.id === id)?.title) + '.json', 'application/json', await exportFile([id])) },
    { label: t('list.delete'), danger: true, run: () => { deleteWithUndo([id]); onDelete?.(id); } },
  ];
}

// on = {fresh(), opened(), deleted(id)}
export function conversationList(place, on) {
  let query = '', turn = 0, timer = 0;
  const input = h('input', { type: 'search', class: 'control', placeholder: t('list.search'), 'aria-label': t('list.search'), autocomplete: 'off', spellcheck: 'false' });
  const list = h('div', { class: 'list' });
  fill(place.side,
    h('div', { class: 'list-head' },
      h('a', { class: 'fresh', href: link('chat'), onclick: () => on.fresh() }, icon('plus'), t('chat.new')),
      h('div', { class: 'search' }, icon('search'), input)),
    list);

  function item(x) {
    const current = route.value.args[0] === x.id;
    const more = iconButton('dots', t('list.actions', { title: x.title || t('list.untitled') }), (e) => {
      e.preventDefault();
      openMenu(more, actionsFor(x.id, on.deleted));
    }, { 'aria-haspopup': 'menu', 'aria-expanded': 'false', class: 'icon-button more' });
    return h('li', { class: current ? 'current' : null, dataset: { id: x.id } },
      h('a', { href: link('chat', x.id), 'aria-current': current ? 'page' : null, onclick: () => on.opened() },
        h('span', { class: 'title' }, x.title || t('list.untitled')), x.found && h('span', { class: 'found' }, x.found)),
      running.value.has(x.id) ? light(t('list.writing')) : null, more);
  }

  function draw(found) {
    const items = found || heads.value;
    if (found) return fill(list, items.length ? h('ul', null, items.map(item)) : h('p', { class: 'none' }, t('list.nothingFound')));
    const groups = new Map();
    for (const x of items) {
      const age = ageOf(x.updated);
      if (!groups.has(age)) groups.set(age, []);
      groups.get(age).push(x);
    }
    return fill(list, [...groups].map(([age, own]) => h('section', null, h('h2', null, t('list.' + age)), h('ul', null, own.map(item)))));
  }

  async function refresh() {
    const mine = ++turn;
    if (!query) return draw(null);
    const found = await search(query, () => mine === turn);
    if (mine === turn) draw(found);
  }
  input.addEventListener('input', () => {
    query = input.value.trim();
    clearTimeout(timer);
    timer = setTimeout(refresh, 120);
  });
  input.addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || !input.value) return;
    e.stopPropagation();
    e.preventDefault();
    input.value = query = '';
    refresh();
  });
  for (const s of [heads, running, route]) place.scope.add(s.watch(refresh));
  refresh();
  return { search() { input.focus(); input.select(); } };
}

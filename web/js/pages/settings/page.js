// page.js - the settings of this browser: language, appearance, key, the conversations it keeps; and what the server is.
import { apiKey, setKey } from '../../lib/api.js';
import { fill, h, saveFile } from '../../lib/dom.js';
import { languages, language, number, t } from '../../lib/i18n.js';
import { prefs, setPref } from '../../lib/prefs.js';
import { server } from '../../lib/server.js';
import { askKey } from '../../ui/key.js';
import { button, choice, dialog, field, toast } from '../../ui/parts.js';
import { deleteWithUndo } from '../chat/list.js';
import { exportFile, heads, importFile } from '../chat/history.js';

const MAX_FILE = 200e6;

export function mount(place) {
  const key = h('div', { class: 'line' }), kept = h('p', { class: 'note' }), about = h('dl', { class: 'about' });
  const file = h('input', { type: 'file', accept: '.json,application/json', class: 'offscreen', tabindex: -1, 'aria-hidden': 'true', onchange: take });

  async function take() {
    const chosen = file.files[0];
    file.value = '';
    if (!chosen) return;
    try {
      if (chosen.size > MAX_FILE) throw new Error(`${number(chosen.size / 1e6)} MB`);
      toast(t('settings.imported', { n: number(await importFile(await chosen.text())) }));
    } catch (e) {
      toast(t('settings.importBad', { why: e.message }));
    }
  }

  async function deleteAll() {
    const n = heads.value.length;
    const sure = await dialog(t('settings.deleteAll'), (close) => h('div', null, h('p', null, t('settings.deleteAllSure', { n: number(n) })),
      h('div', { class: 'actions' }, button(t('ui.cancel'), () => close(false)), button(t('list.delete'), () => close(true), { class: 'button danger' }))));
    if (sure) deleteWithUndo(heads.value.map((x) => x.id));
  }

  function draw() {
    fill(key, h('span', null, t(apiKey.value ? 'settings.keyHeld' : 'settings.keyNone')),
      button(t(apiKey.value ? 'settings.keyChange' : 'key.enter'), askKey), apiKey.value && button(t('settings.keyForget'), () => setKey('')));
    kept.textContent = t('settings.kept', { n: number(heads.value.length) });
    const s = server.value;
    fill(about,
      h('dt', null, t('settings.state')), h('dd', null, t('settings.state.' + s.state)),
      s.models.map((m) => [h('dt', null, m.id), h('dd', null, [m.meta?.params && t('settings.params', { n: number(m.meta.params / 1e9, 2) }), m.meta?.quant, m.meta?.ctx && t('empty.context', { n: number(m.meta.ctx) })].filter(Boolean).join(' · ') || '–')]));
  }

  const shortcuts = [['Enter', 'send'], ['Shift Enter', 'newline'], ['Esc', 'stop'], ['↑', 'edit'], ['Ctrl K', 'search'], ['Ctrl Shift O', 'fresh']];
  const section = (title, ...kids) => h('section', null, h('h2', null, title), kids);
  place.main.append(h('div', { class: 'settings' },
    h('h1', null, t('nav.settings')),
    section(t('settings.look'),
      field(t('settings.language'), choice(languages, language.value, (v) => setPref('language', v))),
      field(t('settings.theme'), choice(['system', 'light', 'dark'].map((x) => [x, t('settings.theme.' + x)]), prefs.value.theme, (v) => setPref('theme', v)))),
    section(t('settings.key'), key, h('p', { class: 'note' }, t('key.note'))),
    section(t('settings.history'), kept, h('div', { class: 'line' },
      button(t('settings.export'), async () => saveFile('glim-conversations.json', 'application/json', await exportFile())),
      button(t('settings.import'), () => file.click()), button(t('settings.deleteAll'), deleteAll, { class: 'button danger' }), file)),
    section(t('settings.server'), about),
    section(t('settings.keys'), h('dl', { class: 'keys' }, shortcuts.map(([k, name]) => [h('dt', null, k.split(' ').map((x) => h('kbd', null, x))), h('dd', null, t('keys.' + name))])))));
  document.title = t('nav.settings') + ' · Glim';
  draw();
  for (const s of [apiKey, heads, server]) place.scope.add(s.watch(draw));
  return {};
}

// page.js - the chat page: one conversation at a time, its list at the side, its settings beside it.
import { fill, h, oncePerFrame } from '../../lib/dom.js';
import { number, t } from '../../lib/i18n.js';
import { prefs, setPref } from '../../lib/prefs.js';
import { become, go } from '../../lib/router.js';
import { askServer, server, serverKnown } from '../../lib/server.js';
import { askKey } from '../../ui/key.js';
import { announce, button, iconButton, openMenu } from '../../ui/parts.js';
import { composer } from './composer.js';
import { addNode, chooseVariant, dropNode, newConversation, pathOf, titleFrom, toolsOf, variant } from './conversation.js';
import { changed, heads, openConversation, save, storage } from './history.js';
import { actionsFor, conversationList, renameAsk } from './list.js';
import { settingsPanel } from './panel.js';
import { answer, isRunning, progress, running, stop } from './runs.js';
import { turnView } from './turn.js';

const drafts = new Map(); // conversation id → what was typed and not sent; '' is the new one
const NEAR = 48; // pixels from the end that count as being at the end

export function mount(place) {
  let c = null; // the conversation that is looked at; saved with its first question
  let views = []; // of its turns, in order
  let follow = true; // keep the end in view

  const empty = h('div', { class: 'empty' });
  const turns = h('div', { class: 'turns' });
  const scroller = h('div', { class: 'transcript', role: 'region', 'aria-label': t('chat.transcript'), tabindex: 0 }, empty, turns);
  const jump = iconButton('down', t('chat.toEnd'), () => { follow = true; toEnd(); }, { class: 'jump', hidden: true });
  const status = h('div', { class: 'status', role: 'status' });
  const write = composer({
    send: (text) => ask(text), stop: () => stop(c.id), draft: (text) => drafts.set(key(), text),
    model(id) { c.model = id; setPref('model', id); if (isSaved()) save(c); },
    editLast() {
      const last = views.findLast((v) => v.edit);
      if (last && !isRunning(c.id)) last.edit();
      return !!last;
    },
  });
  const panel = settingsPanel({
    change(settings) { c.settings = settings; if (isSaved()) save(c, 500); marks(); },
    close: () => showPanel(false), keep: (settings) => setPref('defaults', settings),
  });
  const title = h('button', { type: 'button', class: 'title', onclick: () => { if (isSaved()) renameAsk(c.id); } });
  const heading = h('h1', null, title);
  const tune = iconButton('sliders', t('panel.title'), () => showPanel(!prefs.value.panel), { 'aria-controls': 'panel' });
  const more = iconButton('dots', t('chat.more'), () => openMenu(more, actionsFor(c.id, deleted)), { 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
  const floor = h('div', { class: 'floor' }, jump, status, write.element, h('p', { class: 'fine' }, t('chat.fine')));
  const chat = h('div', { class: 'chat' }, scroller, floor);

  place.main.append(chat, panel.element);
  fill(place.bar, heading, h('span', { class: 'space' }), tune, more);
  const list = conversationList(place, { fresh() { place.closeDrawer(); fresh(); }, opened: place.closeDrawer, deleted });

  const key = () => (isSaved() ? c.id : '');
  const isSaved = () => !!c && Object.keys(c.nodes).length > 1;
  const names = () => server.value.models.map((m) => m.id);
  const contextOf = (id) => server.value.models.find((m) => m.id === id)?.meta?.ctx;
  function model(of = c) {
    const all = names();
    return [of.model, prefs.value.model].find((m) => all.includes(m)) || all[0] || of.model || '';
  }

  // ---- which conversation ----

  async function open(id) {
    if (c && (id ? c.id === id : !isSaved())) return draw();
    const next = id ? await openConversation(id) : null;
    if (id !== (wanted || undefined)) return; // somebody clicked again meanwhile
    if (id && !next) return become('chat'); // deleted, or a link from another browser
    c = next || newConversation(model0(), prefs.value.defaults);
    views = [];
    turns.replaceChildren();
    follow = true;
    panel.draw(c.settings);
    write.set(drafts.get(key()) || '');
    draw();
    toEnd();
    if (!matchMedia('(pointer: coarse)').matches && !document.querySelector('dialog[open]')) write.focus();
  }
  const model0 = () => prefs.value.model || names()[0] || '';
  let wanted = place.args[0];

  function fresh() {
    if (!isSaved() && !wanted) write.focus();
    go('chat');
  }
  function deleted(id) { if (c?.id === id) { drafts.delete(id); go('chat'); } }

  // ---- what turns ask for ----

  async function ask(text, parent) {
    c.model = model();
    const first = !isSaved();
    const above = parent ?? pathOf(c).at(-1)?.id ?? '';
    addNode(c, above, { role: 'user', content: text });
    if (!c.title) c.title = titleFrom(text);
    if (first) {
      save(c);
      wanted = c.id;
      drafts.set('', '');
      become('chat', c.id);
    }
    await run(pathOf(c).at(-1));
  }

  // Has the turn `above` answered; a second answer stands beside the first.
  async function run(above) {
    const mine = c;
    follow = true;
    mine.model = model();
    try {
      toolsOf(mine.settings);
    } catch (e) { // said here rather than sent and refused
      addNode(mine, above.id, { role: 'assistant', model: mine.model, state: 'failed', reasoning: '', calls: [], timing: {}, error: { kind: 'tools', message: e.message } });
      save(mine);
      return draw();
    }
    announce(t('chat.writing'));
    // A question may be quicker than the list of models, after a key was typed too: it is shown, and waits for it.
    const going = answer(mine, above, names().length ? null : serverKnown().then(() => model(mine)));
    draw();
    toEnd();
    await going;
    const node = mine.nodes[above.kids.at(-1)];
    if (node?.error?.kind === 'offline' || node?.error?.kind === 'loading') askServer();
    if (node?.error?.kind === 'auth' && c === mine) return withKey(node);
    return announce(t(node?.state === 'failed' ? 'error.' + node.error.kind : 'chat.written'));
  }

  async function withKey(node) {
    const mine = c;
    if (await askKey() && c === mine) again(node);
  }

  function again(node) {
    if (isRunning(c.id)) return;
    const above = c.nodes[node.parent];
    if (node.state === 'failed' && !node.content && !node.kids.length) dropNode(c, node);
    run(above);
  }

  const asks = {
    edit: (node, text) => ask(text, node.parent),
    again, key: withKey, fresh: () => go('chat'),
    variant(node, at) {
      chooseVariant(c, node, at);
      save(c);
      draw();
    },
    results(node, texts) {
      let above = node.id;
      node.calls.forEach((call, i) => { above = addNode(c, above, { role: 'tool', call: call.id, content: texts[i] || '' }).id; });
      run(c.nodes[above]);
    },
  };

  // ---- drawing ----

  function draw() {
    if (!c) return;
    const path = pathOf(c), busy = isRunning(c.id);
    let same = 0;
    while (same < views.length && same < path.length && views[same].node === path[same]) same++;
    for (const old of views.splice(same)) old.element.remove();
    for (const node of path.slice(same)) {
      const view = turnView(node, asks);
      views.push(view);
      turns.append(view.element);
    }
    views.forEach((view, i) => {
      const { node } = view;
      const state = node.state === 'streaming' && !(busy && i === views.length - 1) ? 'cut' : node.state;
      view.update({ variant: variant(c, node), state, busy, last: i === views.length - 1, context: contextOf(node.model) });
    });
    empty.hidden = path.length > 0;
    chat.classList.toggle('is-empty', path.length === 0);
    if (path.length === 0) drawEmpty();
    marks();
    if (follow) toEnd();
  }
  const drawSoon = oncePerFrame(draw);

  function drawEmpty() {
    const m = server.value.models.find((x) => x.id === model());
    const facts = m && [m.id, m.meta?.ctx && t('empty.context', { n: number(m.meta.ctx) }), m.meta?.quant].filter(Boolean).join(' · ');
    fill(empty, h('h1', null, t('empty.title')),
      h('p', { class: 'about' }, facts || ''),
      h('ul', { class: 'starts' }, [1, 2, 3].map((i) => h('li', null,
        h('button', { type: 'button', class: 'start', onclick: () => write.insert(t(`empty.start${i}.text`)) }, t(`empty.start${i}`))))));
  }

  // Everything that is not a turn.
  function marks() {
    if (!c) return;
    const s = server.value;
    write.update({ running: isRunning(c.id), ready: true, models: names(), model: model() });
    title.textContent = isSaved() ? c.title || t('list.untitled') : '';
    title.title = isSaved() ? t('list.rename') : '';
    heading.hidden = more.hidden = !isSaved();
    tune.classList.toggle('set', Object.keys(c.settings).length > 0);
    document.title = (isSaved() && c.title ? c.title + ' · ' : '') + 'Glim';
    const saying = s.state === 'loading' ? t('status.loading') : s.state === 'away' ? t('status.away') : s.state === 'auth' ? t('status.auth') :
      s.state === 'failed' ? t('status.failed') + (s.message ? ' ' + s.message : '') : storage.value.failed ? t('status.full') : !storage.value.lasting ? t('status.memory') : '';
    if (status.dataset.text !== saying) {
      status.dataset.text = saying;
      fill(status, saying && h('span', null, saying), s.state === 'auth' && button(t('key.enter'), askKey, { class: 'plain' }));
    }
    status.hidden = !saying;
  }

  function showPanel(open) {
    setPref('panel', open);
    chat.parentElement.classList.toggle('with-panel', open);
    tune.setAttribute('aria-expanded', String(open));
    panel.element.inert = !open;
    if (open) panel.element.querySelector('textarea').focus();
    else tune.focus();
  }

  function toEnd() { scroller.scrollTop = scroller.scrollHeight; }
  function whereAmI() {
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    follow = left < NEAR;
    jump.hidden = left < 160;
  }

  // ---- events ----

  const scope = place.scope;
  scope.listen(scroller, 'scroll', whereAmI, { passive: true });
  const grown = new ResizeObserver(() => { if (follow) toEnd(); });
  grown.observe(scroller);
  grown.observe(turns);
  scope.add(() => { grown.disconnect(); drawSoon.cancel(); });
  scope.add(progress.watch((p) => { if (p && c && p.conversation === c) (p.end ? draw : drawSoon)(); }));
  scope.add(running.watch(drawSoon));
  scope.add(server.watch(drawSoon));
  scope.add(storage.watch(marks));
  scope.add(heads.watch(marks));
  scope.add(changed.watch(({ id }) => {
    if (c?.id !== id) return;
    views = []; // its turns are new objects
    turns.replaceChildren();
    draw();
  }));
  scope.listen(document, 'keydown', (e) => {
    const command = e.ctrlKey || e.metaKey;
    if (e.defaultPrevented || e.isComposing || document.querySelector('dialog[open], .menu')) return;
    if (e.key === 'Escape' && c && isRunning(c.id)) {
      e.preventDefault();
      stop(c.id);
    } else if (e.key === 'Escape' && prefs.value.panel && panel.element.contains(document.activeElement)) {
      showPanel(false);
    } else if (command && e.key.toLowerCase() === 'k') {
      e.preventDefault();
      list.search();
    } else if (command && e.shiftKey && e.key.toLowerCase() === 'o') {
      e.preventDefault();
      fresh();
    }
  });

  // The panel opens by itself only where it lies beside the conversation.
  const open0 = prefs.value.panel && matchMedia('(min-width: 1180px)').matches;
  place.main.classList.toggle('with-panel', open0);
  panel.element.inert = !open0;
  tune.setAttribute('aria-expanded', String(open0));
  if (!open0 && prefs.value.panel) setPref('panel', false);
  open(wanted);
  return {
    update(args) { wanted = args[0]; open(wanted); },
    unmount() { drawSoon.cancel(); },
  };
}

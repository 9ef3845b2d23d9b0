// turn.js - one turn of a conversation on the page: a question, an answer, or the result of a tool.
//
// turnView(node, ask) gives {element, node, update(shown)}; `ask` is what a turn may ask of the page (page.js): edit, again,
// variant, results, key, fresh. shown = {variant, state, last, context}.
import { copyText, fill, h } from '../../lib/dom.js';
import { number, t } from '../../lib/i18n.js';
import { prose } from '../../lib/render.js';
import { button, iconButton, light } from '../../ui/parts.js';

export function turnView(node, ask) {
  if (node.role === 'user') return question(node, ask);
  return node.role === 'tool' ? result(node) : answer(node, ask);
}

const heading = (text) => h('h2', { class: 'offscreen' }, text);

function copyButton(text) {
  const b = iconButton('copy', t('chat.copy'), async () => {
    const done = await copyText(text());
    b.replaceWith(iconButton(done ? 'check' : 'close', t(done ? 'prose.copied' : 'prose.notCopied'), () => {}));
    // The next update brings the button back.
    setTimeout(() => b.owner?.(), 1400);
  });
  return b;
}

// ‹ 2/3 ›
function variants(node, shown, ask) {
  const { at, of } = shown.variant;
  if (of < 2) return null;
  const to = (i, name, label) => iconButton(name, label, () => ask.variant(node, i), { disabled: i < 0 || i >= of, dataset: { step: name } });
  return h('span', { class: 'variants', role: 'group', 'aria-label': t('chat.variants') },
    to(at - 1, 'left', t('chat.variantBefore')), h('span', { class: 'count' }, `${at + 1}/${of}`), to(at + 1, 'right', t('chat.variantAfter')));
}

// ---- questions ----

const LONG = 900; // characters; longer ones are folded

function question(node, ask) {
  const text = h('div', { class: 'said' }, node.content);
  const tools = h('div', { class: 'tools' });
  const box = h('div', { class: 'ask' }, text);
  const element = h('article', { class: 'turn user', dataset: { id: node.id } }, h('div', { class: 'column' }, heading(t('chat.you')), box, tools));
  if (node.content.length > LONG || node.content.split('\n').length > 14) {
    text.classList.add('folded');
    const more = h('button', { type: 'button', class: 'plain more', 'aria-expanded': 'false', onclick: () => {
      const folded = text.classList.toggle('folded');
      more.textContent = t(folded ? 'chat.showAll' : 'chat.showLess');
      more.setAttribute('aria-expanded', String(!folded));
    } }, t('chat.showAll'));
    box.append(more);
  }

  function edit() {
    const area = h('textarea', { class: 'control', value: node.content, rows: 1, 'aria-label': t('chat.edit') });
    const size = () => { area.style.height = 'auto'; area.style.height = Math.min(area.scrollHeight + 2, innerHeight / 2) + 'px'; };
    const close = () => { form.replaceWith(box); tools.hidden = false; };
    const send = () => {
      const said = area.value.trim();
      close();
      if (said) ask.edit(node, said);
    };
    const form = h('form', { class: 'ask editing', onsubmit: (e) => { e.preventDefault(); send(); } }, area,
      h('div', { class: 'actions' }, button(t('ui.cancel'), close), h('button', { type: 'submit', class: 'button primary' }, t('chat.send'))));
    area.addEventListener('input', size);
    area.addEventListener('keydown', (e) => {
      if (e.isComposing || e.keyCode === 229) return;
      if (e.key === 'Escape') {
        e.preventDefault();
        e.stopPropagation();
        close();
      } else if (e.key === 'Enter' && !e.shiftKey && !matchMedia('(pointer: coarse)').matches) {
        e.preventDefault();
        send();
      }
    });
    box.replaceWith(form);
    tools.hidden = true;
    size();
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  function update(shown) {
    const copy = copyButton(() => node.content);
    copy.owner = () => update(shown);
    fill(tools, variants(node, shown, ask), shown.busy ? null : iconButton('edit', t('chat.edit'), edit, { dataset: { act: 'edit' } }), copy);
  }
  return { element, node, update, edit };
}

// ---- results of tools ----

function result(node) {
  const element = h('article', { class: 'turn tool', dataset: { id: node.id } }, h('div', { class: 'column' }, heading(t('chat.toolResult')),
    h('details', { class: 'call' }, h('summary', null, t('chat.toolResult')), h('pre', { tabindex: 0 }, node.content))));
  return { element, node, update() {} };
}

// ---- answers ----

function answer(node, ask) {
  const thought = h('details', { class: 'thought' });
  const thoughtHead = h('summary'), thoughtText = h('div', { class: 'prose' });
  thought.append(thoughtHead, thoughtText);
  const body = h('div', { class: 'prose' });
  const calls = h('div', { class: 'calls' }), wait = h('p', { class: 'wait' }), notice = h('div'), tools = h('div', { class: 'tools' });
  const margin = h('div', { class: 'margin' });
  const element = h('article', { class: 'turn assistant', dataset: { id: node.id } },
    h('div', { class: 'column' }, heading(t('chat.answer')), thought, body, calls, wait, notice, tools), margin);
  const showThought = prose(thoughtText), showBody = prose(body);
  let drawn = '', thoughtDrawn = '', state = '';

  function update(shown) {
    const writing = shown.state === 'streaming';
    if (node.reasoning !== thoughtDrawn && (thought.open || !writing)) showThought.update(thoughtDrawn = node.reasoning);
    thought.hidden = !node.reasoning;
    const thinking = writing && !node.content && !node.calls.length;
    thoughtHead.replaceChildren(thinking && node.reasoning ? t('chat.thinking') :
      node.timing?.thought >= 0.1 ? t('chat.thoughtFor', { s: number(node.timing.thought, 1) }) : t('chat.thought'));
    if (node.content !== drawn) showBody.update(drawn = node.content);
    body.classList.toggle('writing', writing);
    element.classList.toggle('writing', writing);
    element.setAttribute('aria-busy', String(writing));
    wait.hidden = !thinking;
    if (thinking && !wait.firstChild) wait.append(light());
    facts(margin, node, shown);
    const key = [shown.state, shown.busy, shown.last, shown.variant.at, shown.variant.of, node.calls.length, writing && node.calls.map((c) => c.arguments).join()].join();
    if (key === state) return;
    state = key;
    drawCalls(shown, writing);
    fill(notice, writing ? null : shown.state === 'failed' ? trouble(node, shown, ask) : remark(node, shown));
    if (writing) return tools.replaceChildren();
    const copy = node.content ? copyButton(() => node.content) : null;
    if (copy) copy.owner = () => { state = ''; update(shown); };
    fill(tools, variants(node, shown, ask), copy, shown.busy || (shown.state === 'failed' && !node.content) ? null : iconButton('again', t('chat.again'), () => ask.again(node), { dataset: { act: 'again' } }));
  }

  function drawCalls(shown, writing) {
    const opened = [...calls.querySelectorAll('details')].map((d) => d.open);
    const asked = node.finish === 'tool_calls' && shown.last && !shown.busy && !writing;
    const inputs = [];
    fill(calls, node.calls.map((call, i) => {
      const input = asked && h('textarea', { class: 'control', rows: 2, 'aria-label': t('chat.resultOf', { name: call.name }), placeholder: t('chat.resultOf', { name: call.name }) });
      if (input) inputs.push(input);
      return h('details', { class: 'call', open: opened[i] ?? true },
        h('summary', null, t('chat.calls') + ' ', h('code', null, call.name)), h('pre', { tabindex: 0 }, pretty(call.arguments)), input);
    }), asked && h('div', { class: 'actions' }, button(t('chat.sendResults'), () => ask.results(node, inputs.map((x) => x.value)), { class: 'button primary' })));
  }

  thought.addEventListener('toggle', () => { if (thought.open && thoughtDrawn !== node.reasoning) showThought.update(thoughtDrawn = node.reasoning); });
  return { element, node, update };
}

function pretty(json) {
  try { return JSON.stringify(JSON.parse(json), null, 2); } catch { return json; }
}

// What stands beside an answer: who wrote it, how fast, how much.
function facts(margin, node, shown) {
  const { timing, usage } = node;
  const lines = [];
  const line = (name, text, title) => lines.push(h('span', { class: 'fact fact-' + name, title }, text));
  if (node.model && (node.content || node.reasoning || node.calls.length || shown.state !== 'failed')) line('model', node.model);
  if (timing?.rate) line('rate', t('fact.rate', { n: (shown.state === 'streaming' ? '≈ ' : '') + number(timing.rate, timing.rate < 100 ? 1 : 0) }), t('fact.rateTitle'));
  if (timing?.first !== undefined) line('first', t('fact.first', { s: number(timing.first, timing.first < 10 ? 2 : 1) }), t('fact.firstTitle'));
  if (usage?.completion !== undefined) line('tokens', t('fact.tokens', { n: number(usage.completion) }), t('fact.tokensTitle', { prompt: number(usage.prompt || 0), cached: number(usage.cached || 0) }));
  if (usage?.prompt !== undefined && shown.context) {
    const used = usage.prompt + (usage.completion || 0), part = used / shown.context;
    if (part > 0.5) line(part > 0.85 ? 'context near' : 'context', t('fact.context', { n: number(Math.round(part * 100)) }), t('fact.contextTitle', { used: number(used), all: number(shown.context) }));
  }
  const key = lines.map((l) => l.className + l.textContent).join('\n');
  if (margin.dataset.key === key) return;
  margin.dataset.key = key;
  fill(margin, lines);
}

function remark(node, shown) {
  if (shown.state === 'stopped' || shown.state === 'cut') return h('p', { class: 'remark' }, t(shown.state === 'cut' ? 'chat.cut' : 'chat.stopped'));
  if (node.finish === 'length') return h('p', { class: 'remark' }, t('chat.length'));
  if (node.finish === 'content_filter') return h('p', { class: 'remark' }, t('chat.filtered'));
  if (!node.content && !node.calls.length) return h('p', { class: 'remark' }, t('chat.nothing'));
  return null;
}

const KNOWN = ['offline', 'broken', 'auth', 'forbidden', 'busy', 'loading', 'overloaded', 'context', 'missing', 'bad', 'server', 'tools'];

// What went wrong, in the reader's language; what the server said about it; and what can be done.
function trouble(node, shown, ask) {
  const e = node.error || {}, kind = KNOWN.includes(e.kind) ? e.kind : 'server';
  const retry = button(t('chat.retry'), () => ask.again(node), { class: 'button primary', dataset: { act: 'retry' } });
  let left = e.wait ? Math.ceil(e.wait - (Date.now() - e.at) / 1000) : 0;
  const tick = () => {
    retry.textContent = left > 0 ? t('chat.retryIn', { s: left }) : t('chat.retry');
    if (left-- > 0 && !shown.busy) setTimeout(() => { if (retry.isConnected) tick(); }, 1000);
  };
  tick();
  const remedies = [];
  if (!shown.busy) {
    if (kind === 'auth' || kind === 'forbidden') remedies.push(button(t('key.enter'), () => ask.key(node), { class: 'button primary', dataset: { act: 'key' } }));
    else if (kind === 'context') remedies.push(button(t('chat.new'), ask.fresh, { class: 'button primary' }));
    else remedies.push(retry);
  }
  return h('div', { class: 'trouble', role: 'alert', dataset: { kind } },
    h('p', { class: 'what' }, t('error.' + kind)), node.content ? h('p', null, t('error.kept')) : null,
    e.message && h('p', { class: 'detail' }, e.message), h('div', { class: 'actions' }, remedies));
}

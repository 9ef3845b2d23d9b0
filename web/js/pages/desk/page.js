// page.js - the service desk as a clerk sees it: load a library, ask, see the rows behind the answer, correct a cell or the
// answer, answer what waits. What a correction changes is live at the next question.
import { getJson } from '../../lib/api.js';
import { fill, h } from '../../lib/dom.js';
import { language, number, t } from '../../lib/i18n.js';
import { askText, button, choice, field, toast } from '../../ui/parts.js';

const TYPES = ['hidden', 'id', 'name', 'text', 'number', 'price', 'stock', 'bool', 'enum', 'date'];
const post = (path, body) => getJson('/v1/desk/' + path, { body });

export function mount(place) {
  const question = h('input', { class: 'control', autocomplete: 'off', maxlength: 1000 });
  const view = h('input', { class: 'control', autocomplete: 'off', maxlength: 32 });
  const answer = h('div', { 'aria-live': 'polite' }), waiting = h('div'), library = h('div'), columns = h('div', { class: 'columns' });
  const file = h('input', { type: 'file', accept: '.csv,.tsv,.xlsx', class: 'offscreen', tabindex: -1, 'aria-hidden': 'true', onchange: load });
  let about = null, last = null;
  let askTurn = 0, waitingTurn = 0; // replies may overtake each other: what is drawn is the newest request's
  let saving = Promise.resolve();

  const why = (e) => (e.kind === 'missing' ? t('desk.none') : e.message || t('error.' + (e.kind || 'server')));

  // Runs what a person asked for; a failure is said at the edge of the page.
  async function doing(work) {
    try {
      return await work();
    } catch (e) {
      toast(why(e));
      return undefined;
    }
  }

  // Changes of the library one after the other, each built on what the one before it left.
  function afterOthers(work) {
    saving = saving.then(() => doing(work));
    return saving;
  }

  async function load() {
    const chosen = file.files[0];
    file.value = '';
    if (!chosen) return;
    await afterOthers(async () => {
      about = await getJson('/v1/desk/library', { file: chosen });
      toast(t('desk.loaded', { n: number(about.rows) }));
      drawLibrary();
    });
  }

  async function retype(column, type) {
    await afterOthers(async () => {
      const schema = structuredClone(about.schema);
      const found = schema.columns.find((c) => c.column === column);
      if (!found) return; // another file was loaded meanwhile
      found.type = type;
      if (type !== 'enum') delete found.values;
      about = await post('schema', schema);
      toast(t('desk.saved'));
    });
    drawLibrary();
  }

  function drawLibrary() {
    const name = about.name?.[language.value] || about.name?.en || '';
    fill(library, h('p', null, [name, t('desk.rows', { n: number(about.rows), notes: number(about.notes) })].filter(Boolean).join(' · ')),
      h('div', { class: 'line' }, button(t('desk.load'), () => file.click()), file));
    fill(columns, about.schema.columns.map((c) => field(c[language.value] || c.column, choice(TYPES.map((x) => [x, x]), c.type, (v) => retype(c.column, v)))));
  }

  async function correctCell(row, column, value) {
    const now = await askText(t('desk.correctCell', { column }), { value, label: t('desk.value') });
    if (now === undefined || now === value) return;
    if (await doing(() => post('corrections', { row, column, value: now }))) {
      toast(t('desk.saved'));
      await askAgain();
    }
  }

  async function correctAnswer(asked, { row, handover, value = '' } = {}) {
    const right = await askText(t('desk.correctAnswer'), { value, label: t('desk.right') });
    if (!right?.trim()) return;
    const body = { question: asked, answer: right };
    if (row) body.row = row;
    if (handover) body.handover = handover;
    if (await doing(() => post('corrections', body))) {
      toast(t('desk.saved'));
      await drawWaiting();
      if (last?.question === asked) await askAgain();
    }
  }

  // The desk writes the ids of rows itself.
  const withoutIds = (a) => a.rows.reduce((said, r) => said.replaceAll(`[${r.id}]`, ''), a.answer).trim();

  function drawAnswer() {
    const a = last;
    fill(answer,
      h('h2', null, t('desk.answer')),
      h('p', { class: 'said' }, a.answer),
      h('div', { class: 'facts' },
        h('span', { class: 'part' }, t('desk.part', { part: t('desk.part.' + a.part) })),
        a.part !== a.found_by && h('span', null, t('desk.foundBy', { part: t('desk.part.' + a.found_by) })), h('span', null, t('desk.status.' + a.status)),
        a.intent && h('span', null, t('desk.intent', { label: a.intent, p: number(100 * a.p) })), a.filter && h('span', null, a.filter),
        h('span', null, t('desk.time', { ms: number(a.ms + a.model_ms, 1) })),
        a.usage && h('span', null, t('desk.usage', { n: number(a.usage.completion_tokens), rate: number(a.usage.tokens_per_s), cost: number(Number(a.cost), 6), currency: a.currency })),
        a.model_answer_dropped && h('span', null, t('desk.dropped'))),
      button(t('desk.correctAnswer'), () => correctAnswer(a.question, { row: a.asked, handover: a.handover, value: withoutIds(a) })),
      h('h2', { class: 'sources' }, t('desk.source')),
      a.rows.length ? a.rows.map((r) => h('div', { class: 'row', dataset: { id: r.id } },
        h('h3', null, r.name, h('span', { class: 'where' }, r.id + ' · ' + t('desk.line', { n: r.line }))),
        h('div', { class: 'cells' }, Object.entries(r.cells).map(([column, value]) => (r.library === 'products'
          ? h('button', { type: 'button', class: 'cell', onclick: () => correctCell(r.id, column, value) }, h('b', null, column), value)
          : h('div', { class: 'cell' }, h('b', null, column), value))))))
        : h('p', { class: 'note' }, t('desk.sourceNone')));
  }

  async function ask(asked = question.value.trim(), row = view.value.trim()) {
    if (!asked) return;
    const mine = ++askTurn;
    answer.setAttribute('aria-busy', 'true');
    const reply = await doing(() => post('ask', row ? { question: asked, row } : { question: asked }));
    if (mine === askTurn) {
      answer.removeAttribute('aria-busy');
      if (reply) {
        last = { ...reply, asked: row }; // what is said of the product in view is said of it alone
        drawAnswer();
      }
    }
    if (reply?.handover) await drawWaiting();
  }
  // The question that was answered, not the one that somebody may be writing by now.
  const askAgain = () => last && ask(last.question, last.asked);

  async function drawWaiting() {
    const mine = ++waitingTurn;
    const list = (await doing(() => getJson('/v1/desk/handovers')))?.data;
    if (mine !== waitingTurn || !list) return; // what is not known is not "nothing"
    fill(waiting, h('h2', null, t('desk.waiting')),
      list.length ? h('ul', { class: 'waiting' }, list.map((x) => h('li', null, h('span', null, x.question),
        button(t('desk.reply'), () => correctAnswer(x.question, { handover: x.id, row: x.row })))))
        : h('p', { class: 'note' }, t('desk.waitingNone')),
      button(t('desk.refresh'), drawWaiting));
  }

  const form = h('form', { class: 'line', onsubmit: (e) => { e.preventDefault(); ask(); } },
    field(t('desk.question'), question), field(t('desk.product'), view), h('button', { class: 'button primary', type: 'submit' }, t('desk.ask')));
  form.children[1].classList.add('small');
  const page = h('div', { class: 'desk' }, h('h1', null, t('nav.desk')));
  place.main.append(page);
  document.title = t('nav.desk') + ' · Glim';

  (async () => {
    try {
      about = await getJson('/v1/desk');
    } catch (e) {
      page.append(h('p', { class: 'note' }, why(e)));
      return;
    }
    page.append(form, h('section', null, answer), h('section', null, waiting),
      h('section', null, h('h2', null, t('desk.library')), library, h('details', null, h('summary', null, t('desk.columns')), columns)));
    drawLibrary();
    drawWaiting();
    if (!page.contains(document.activeElement) && !document.querySelector('dialog[open]')) question.focus();
  })();
  return {};
}

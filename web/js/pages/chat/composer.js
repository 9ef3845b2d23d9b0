// composer.js - where a question is written. Enter sends, Shift+Enter breaks the line; Enter that ends a word being composed
// (Chinese, Japanese, Korean input) does neither. On touch screens Enter breaks the line and the button sends.
import { fill, h } from '../../lib/dom.js';
import { t } from '../../lib/i18n.js';
import { choice, iconButton } from '../../ui/parts.js';

// on = {send(text), stop(), draft(text), model(id), editLast()}
export function composer(on) {
  const area = h('textarea', { class: 'words', rows: 1, placeholder: t('composer.placeholder'), 'aria-label': t('composer.label'), enterkeyhint: 'enter' });
  const models = h('div', { class: 'models' });
  const go = iconButton('send', t('chat.send'), () => (running ? on.stop() : send()), { class: 'go' });
  const form = h('form', { class: 'composer', onsubmit: (e) => { e.preventDefault(); send(); } }, area, h('div', { class: 'row' }, models, go));
  form.addEventListener('click', (e) => { if (e.target === form || e.target.classList.contains('row')) area.focus(); });
  let running = false, ready = true;

  function size() {
    area.style.height = 'auto';
    area.style.height = Math.min(area.scrollHeight, innerHeight * 0.4) + 'px';
  }
  function buttons() {
    const next = iconButton(running ? 'stop' : 'send', t(running ? 'chat.stop' : 'chat.send'), () => {}, {});
    go.replaceChildren(...next.childNodes);
    go.title = next.title;
    go.setAttribute('aria-label', next.title);
    go.classList.toggle('running', running);
    go.disabled = !running && (!ready || !area.value.trim());
  }
  function send() {
    const text = area.value.trim();
    if (!text || running || !ready) return;
    set('');
    on.draft('');
    on.send(text);
  }
  function set(text) {
    area.value = text;
    size();
    buttons();
  }

  area.addEventListener('input', () => {
    size();
    buttons();
    on.draft(area.value);
  });
  area.addEventListener('keydown', (e) => {
    if (e.isComposing || e.keyCode === 229) return; // 229: Safari has ended the composition by now, but the key is part of it
    if (e.key === 'Enter' && !e.shiftKey && !e.altKey && !matchMedia('(pointer: coarse)').matches) {
      e.preventDefault();
      send();
    } else if (e.key === 'ArrowUp' && !area.value) {
      if (on.editLast()) e.preventDefault();
    }
  });

  return {
    element: form, set,
    focus: () => area.focus({ preventScroll: true }),
    insert(text) {
      set(text);
      on.draft(text);
      area.focus();
      area.setSelectionRange(text.length, text.length);
    },
    update(state) { // {running, ready, models: [id], model}
      running = state.running;
      ready = state.ready;
      const key = JSON.stringify([state.models, state.model]);
      if (models.dataset.key !== key) {
        models.dataset.key = key;
        if (state.models.length > 1) {
          const select = choice(state.models.map((m) => [m, m]), state.model, on.model);
          select.className = 'model';
          select.setAttribute('aria-label', t('composer.model'));
          fill(models, select);
        } else {
          fill(models, h('span', { class: 'model' }, state.model || ''));
        }
      }
      buttons();
    },
  };
}

// panel.js - the settings of one conversation: the system prompt, how the model thinks and chooses its words, tools.
// Beside the conversation where there is room, over it where there is not. What is left empty is the model's own.
import { fill, h } from '../../lib/dom.js';
import { number, t } from '../../lib/i18n.js';
import { button, choice, field, iconButton, toast } from '../../ui/parts.js';
import { SETTINGS, sanitizeSettings, toolsOf } from './conversation.js';

// on = {change(settings), close(), keep(settings)}
export function settingsPanel(on) {
  const element = h('aside', { class: 'panel', id: 'panel', 'aria-label': t('panel.title') });
  let settings = {};

  function set(name, value) {
    if (value === undefined || value === '') delete settings[name];
    else settings[name] = value;
    on.change(settings);
  }

  function text(name, rows, placeholder, check) {
    const area = h('textarea', { class: 'control', rows, placeholder, spellcheck: name === 'system' ? 'true' : 'false', value: settings[name] || '' });
    area.addEventListener('input', () => {
      set(name, area.value);
      check?.(area);
    });
    return area;
  }

  function numeric(name) {
    const s = SETTINGS[name];
    const input = h('input', { class: 'control', type: 'number', min: s.min, max: s.max, step: 'any', inputmode: 'decimal', placeholder: t('panel.default'), value: settings[name] ?? '' });
    const slide = s.usual === undefined ? null : h('input', { type: 'range', min: s.min, max: s.max, step: s.step, value: settings[name] ?? s.usual, 'aria-label': t('panel.' + name), tabindex: -1 });
    const apply = () => {
      const v = input.value === '' ? undefined : Number(input.value);
      const bad = input.validity.badInput || (v !== undefined && !(v >= s.min && v <= s.max && (s.step !== 1 || Number.isInteger(v))));
      input.setCustomValidity(bad ? t('panel.range', { min: number(s.min), max: number(s.max) }) : '');
      input.classList.toggle('bad', bad);
      if (bad) return input.reportValidity();
      return set(name, v);
    };
    input.addEventListener('input', () => {
      apply();
      if (slide) slide.value = input.value === '' ? s.usual : input.value;
      slide?.classList.toggle('unset', input.value === '');
    });
    slide?.classList.toggle('unset', settings[name] === undefined);
    slide?.addEventListener('input', () => {
      input.value = slide.value;
      slide.classList.remove('unset');
      apply();
    });
    const f = field(t('panel.' + name), input, { note: t(`panel.${name}.note`) });
    f.classList.add('numeric');
    if (slide) f.insertBefore(slide, f.querySelector('.note'));
    return f;
  }

  function toolsField() {
    const error = h('p', { class: 'note error', role: 'status' });
    const check = (area) => {
      try {
        const n = toolsOf({ tools: area.value }).length;
        error.textContent = n ? t('panel.toolsFound', { n }) : '';
        error.classList.remove('error');
      } catch (e) {
        error.textContent = t('panel.toolsBad', { why: e.message });
        error.classList.add('error');
      }
    };
    const area = text('tools', 5, '[{"name": "stock_of", "parameters": {…}}]', check);
    area.classList.add('mono');
    if (settings.tools) check(area);
    const f = field(t('panel.tools'), area, { note: t('panel.tools.note') });
    f.append(error);
    return f;
  }

  function draw(next) {
    settings = next;
    const thinking = choice([['', t('panel.default')], ...SETTINGS.thinking.of.map((x) => [x, t('panel.thinking.' + x)])], settings.thinking || '', (v) => set('thinking', v || undefined));
    fill(element,
      h('div', { class: 'panel-head' }, h('h2', null, t('panel.title')), iconButton('close', t('ui.close'), on.close)),
      h('div', { class: 'panel-body' },
        field(t('panel.system'), text('system', 6, t('panel.system.placeholder'))),
        field(t('panel.thinking'), thinking, { note: t('panel.thinking.note') }),
        numeric('temperature'), numeric('top_p'), numeric('max_tokens'),
        h('details', { class: 'further', open: ['seed', 'frequency_penalty', 'presence_penalty', 'stop', 'tools'].some((x) => settings[x] !== undefined) },
          h('summary', null, t('panel.further')),
          numeric('seed'), numeric('frequency_penalty'), numeric('presence_penalty'),
          field(t('panel.stop'), text('stop', 2, ''), { note: t('panel.stop.note') }), toolsField())),
      h('div', { class: 'panel-foot' },
        button(t('panel.keep'), () => { on.keep(sanitizeSettings(settings)); toast(t('panel.kept')); }),
        button(t('panel.reset'), () => { draw({}); on.change(settings); })));
  }
  return { element, draw };
}

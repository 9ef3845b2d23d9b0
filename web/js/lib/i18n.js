// i18n.js - the page's words. One flat JSON of strings per language (web/strings); t('key', {n: 3}) fills in {n}.
import { signal } from './signal.js';
import { prefs } from './prefs.js';

export const languages = [['en', 'English'], ['zh', '中文']];
export const language = signal('');
let strings = {};

function wanted() {
  const known = (l) => languages.some(([id]) => id === l);
  if (known(prefs.value.language)) return prefs.value.language;
  return (navigator.languages || [navigator.language]).map((l) => l.slice(0, 2).toLowerCase()).find(known) || 'en';
}

let latest = 0;
export async function loadLanguage() {
  const next = wanted(), mine = ++latest;
  if (next === language.value) return;
  const reply = await fetch(`/assets/strings/${next}.json`);
  if (!reply.ok) throw new Error(`strings/${next}.json: ${reply.status}`);
  const read = await reply.json();
  if (mine !== latest) return; // asked again meanwhile
  strings = read;
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : next;
  language.set(next);
}
prefs.watch(() => { loadLanguage().catch(() => { /* offline: the page keeps the language it has */ }); });

export function t(key, params) {
  const s = strings[key];
  if (s === undefined) return key;
  return params ? s.replace(/\{(\w+)\}/g, (all, name) => (name in params ? String(params[name]) : all)) : s;
}

const locale = () => (language.value === 'zh' ? 'zh-CN' : 'en');
export const number = (n, digits = 0) => new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(n);
export const dateTime = (ms) => new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(ms);

// prefs.js - what this browser remembers about its user: language, theme, model, settings of new conversations.
// The API key is not here: it lives as long as the tab (api.js).
import { signal } from './signal.js';

const NAME = 'glim.prefs';
const initial = { language: '', theme: 'system', model: '', defaults: {}, panel: false };

function read() {
  try {
    const v = JSON.parse(localStorage.getItem(NAME));
    return { ...initial, ...(v && typeof v === 'object' ? v : {}) };
  } catch {
    return { ...initial };
  }
}

export const prefs = signal(read());

export function setPref(name, value) {
  const next = { ...prefs.value, [name]: value };
  try { localStorage.setItem(NAME, JSON.stringify(next)); } catch { /* full or forbidden: it lasts until the page closes */ }
  prefs.set(next);
}

// Another tab changed something.
addEventListener('storage', (e) => { if (e.key === NAME) prefs.set(read()); });

// The theme follows the preference, and the system where there is none.
const dark = matchMedia('(prefers-color-scheme: dark)');
function applyTheme() {
  const t = prefs.value.theme;
  document.documentElement.dataset.theme = t === 'dark' || t === 'light' ? t : dark.matches ? 'dark' : 'light';
}
prefs.watch(applyTheme);
dark.addEventListener('change', applyTheme);
applyTheme();

// early.js - sets the theme and the language's name before the first paint; the rest comes as modules.
(() => {
  let prefs = {};
  try { prefs = JSON.parse(localStorage.getItem('glim.prefs')) || {}; } catch { /* no storage, or not ours */ }
  const dark = prefs.theme === 'dark' || (prefs.theme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();

// main.js - the start: words first, then history and server side by side, then the shell.
import { h } from './lib/dom.js';
import { loadLanguage } from './lib/i18n.js';
import { askServer } from './lib/server.js';
import { loadHistory } from './pages/chat/history.js';
import { shell } from './ui/shell.js';

try {
  await loadLanguage();
  askServer();
  await loadHistory();
  await shell(document.body);
} catch (e) {
  // Nothing can be translated yet, so both languages at once.
  document.body.replaceChildren(h('p', { class: 'fatal' }, 'Glim could not start. Reload the page. / 页面无法启动，请刷新。', h('br'), String(e.message || e)));
  throw e;
}

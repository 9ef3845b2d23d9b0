// index.js - Studio's pages. A new page is a folder beside this file with a page.js (see ui/shell.js), a line here, and its
// strings. `place` is where its name stands: "main" among the pages, "foot" below them.
export const pages = [
  { id: 'chat', title: 'nav.chat', place: 'main', load: () => import('./chat/page.js') },
  { id: 'desk', title: 'nav.desk', place: 'main', load: () => import('./desk/page.js') },
  { id: 'settings', title: 'nav.settings', place: 'foot', load: () => import('./settings/page.js') },
];

export const find = (id) => (id ? pages.find((p) => p.id === id) : pages[0]);

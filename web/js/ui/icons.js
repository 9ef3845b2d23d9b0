// icons.js - line drawings on a 20 by 20 grid, in the colour of the text around them.
const NS = 'http://www.w3.org/2000/svg';
const PATHS = {
  menu: 'M3 6h14M3 10h14M3 14h9',
  plus: 'M10 4v12M4 10h12',
  search: 'M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13 13l4 4',
  dots: 'M4.5 10h.01M10 10h.01M15.5 10h.01',
  sliders: 'M3 6h7M14 6h3M3 14h3M10 14h7M12 4v4M8 12v4',
  gear: 'M10 7.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M15.3 4.7l-1.4 1.4M6.1 13.9l-1.4 1.4',
  send: 'M10 16V4.5M5 9l5-5 5 5',
  stop: 'M6.5 6.5h7v7h-7z',
  down: 'M10 4v11.5M5 11l5 5 5-5',
  copy: 'M7.5 7.5h9v9h-9zM12.5 7.5v-4h-9v9h4',
  check: 'M4 10.5l4 4 8-9',
  edit: 'M4 16l.8-3.4L13.5 4l2.5 2.5-8.6 8.7z',
  again: 'M15.5 7A6.5 6.5 0 1 0 16.500 10.500M16 3.500V7.300h-3.800',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  close: 'M5 5l10 10M15 5L5 15',
  key: 'M7 9.500a3 3 0 1 0 0 .01M10 9.500h7M14.500 9.500v3',
  chat: 'M3.500 4.500h13v9h-7l-3.500 3v-3H3.500z',
};

export function icon(name) {
  const svg = document.createElementNS(NS, 'svg');
  for (const [k, v] of Object.entries({ viewBox: '0 0 20 20', class: 'icon icon-' + name, 'aria-hidden': 'true', focusable: 'false' })) svg.setAttribute(k, v);
  const path = document.createElementNS(NS, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

// markdown.js - the blocks of a model's answer: paragraphs, headings, lists, code, quotes, tables. Gives a tree; no DOM here.
//
//   {type: 'para' | 'heading', text, level} {type: 'code', lang, text, open} {type: 'math', text} {type: 'hr'}
//   {type: 'quote', blocks} {type: 'list', ordered, start, items: [{task, blocks}]} {type: 'table', align, head, rows}
//
// Each top block has `raw`, its source, so that a growing answer can keep what has not changed (render.js). HTML is text.
// Made for what language models write: nested lists may be indented by two, and an unfinished block is shown as far as it is.

const MAX_DEPTH = 10;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`\n]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?= |$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+•]|\d{1,9}[.)])(?:( {1,4})(?=\S)|\s*$|\s+)/;
const MATH = /^ {0,3}(\$\$|\\\[)/;

export function parseMarkdown(source, depth = 0) {
  const lines = source.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n');
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    if (!lines[i].trim()) {
      i++;
      continue;
    }
    const from = i;
    const [block, next] = oneBlock(lines, i, depth);
    i = next;
    block.raw = lines.slice(from, next).join('\n');
    blocks.push(block);
  }
  return blocks;
}

const indentOf = (line) => line.length - line.trimStart().length;

function oneBlock(lines, i, depth) {
  const line = lines[i];
  let m;
  if ((m = FENCE.exec(line))) return fence(lines, i, m);
  if ((m = MATH.exec(line))) {
    const found = math(lines, i, m);
    if (found) return found;
  }
  if ((m = HEADING.exec(line))) return [heading(line, m), i + 1];
  if (RULE.test(line)) return [{ type: 'hr' }, i + 1];
  if (QUOTE.test(line) && depth < MAX_DEPTH) return quote(lines, i, depth);
  if (ITEM.test(line) && depth < MAX_DEPTH) return list(lines, i, depth);
  if (isTable(lines, i)) return table(lines, i);
  let end = i + 1;
  while (end < lines.length && lines[end].trim() && !interrupts(lines, end)) end++;
  return [{ type: 'para', text: lines.slice(i, end).map((l) => l.trimStart()).join('\n') }, end];
}

function heading(line, m) {
  let text = line.slice(m[0].length).trim(), end = text.length;
  while (end > 0 && text[end - 1] === '#') end--; // "## Title ##"
  if (end === 0 || text[end - 1] === ' ') text = text.slice(0, end).trimEnd();
  return { type: 'heading', level: m[1].length, text };
}

// Does this line begin something else than the paragraph above it?
function interrupts(lines, i) {
  const line = lines[i], m = ITEM.exec(line);
  if (FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || MATH.test(line)) return true;
  if (m && m[0].length < line.length) return !/^\d/.test(m[2]) || /^1[.)]$/.test(m[2]);
  return isTable(lines, i);
}

function fence(lines, i, m) {
  const [, mark, info] = m, margin = indentOf(lines[i]);
  const end = new RegExp(`^ {0,3}\\${mark[0]}{${Math.min(mark.length, 100)},}\\s*$`);
  let k = i + 1;
  while (k < lines.length && !end.test(lines[k])) k++;
  const text = lines.slice(i + 1, k).map((l) => l.slice(Math.min(margin, indentOf(l)))).join('\n');
  const open = k >= lines.length;
  return [{ type: 'code', lang: info.trim().split(/\s+/)[0].slice(0, 40), text, open }, open ? k : k + 1];
}

function math(lines, i, m) {
  const end = m[1] === '$$' ? '$$' : '\\]';
  const first = lines[i].trim().slice(2);
  if (first.includes(end)) {
    if (!first.endsWith(end)) return null; // text goes on behind it: a paragraph
    return [{ type: 'math', text: first.slice(0, -2).trim() }, i + 1];
  }
  let k = i + 1;
  while (k < lines.length && !lines[k].includes(end)) k++;
  if (k === lines.length) return null;
  const body = [first, ...lines.slice(i + 1, k), lines[k].slice(0, lines[k].indexOf(end))];
  return [{ type: 'math', text: body.join('\n').trim() }, k + 1];
}

function quote(lines, i, depth) {
  let k = i;
  const inner = [];
  for (; k < lines.length; k++) {
    if (QUOTE.test(lines[k])) inner.push(lines[k].replace(QUOTE, ''));
    else if (lines[k].trim() && inner[inner.length - 1].trim() && !interrupts(lines, k)) inner.push(lines[k]);
    else break;
  }
  return [{ type: 'quote', blocks: parseMarkdown(inner.join('\n'), depth + 1) }, k];
}

function list(lines, i, depth) {
  const first = ITEM.exec(lines[i]);
  const ordered = /^\d/.test(first[2]), kind = ordered ? first[2].slice(-1) : first[2];
  const base = first[1].length;
  const items = [];
  let inner = null, inside = base + 2, blank = false, k = i;
  for (; k < lines.length; k++) {
    const line = lines[k];
    if (!line.trim()) {
      blank = true;
      inner.push('');
      continue;
    }
    const m = ITEM.exec(line), indent = indentOf(line);
    const sibling = m && !RULE.test(line) && indent < Math.max(base + 2, Math.min(inside, base + 4)) && (ordered ? /^\d/.test(m[2]) && m[2].endsWith(kind) : m[2] === kind);
    if (sibling) {
      inner = [line.slice(m[0].length)];
      inside = m[0].length || inside;
      if (m[0].length === line.length) inside = indent + m[2].length + 1;
      items.push(inner);
    } else if (!inner) {
      break;
    } else if (indent >= inside || (indent >= base + 2 && (blank || m))) {
      inner.push(line.slice(Math.min(indent, inside)));
    } else if (!blank && !m && !interrupts(lines, k)) {
      inner.push(line.trimStart()); // a paragraph that goes on without its indent
    } else {
      break;
    }
    blank = false;
  }
  const task = /^\[([ xX])\]\s+/;
  return [{
    type: 'list', ordered, start: ordered ? parseInt(first[2], 10) : 1,
    items: items.map((own) => {
      const m = task.exec(own[0]);
      if (m) own[0] = own[0].slice(m[0].length);
      return { task: m ? m[1] !== ' ' : null, blocks: parseMarkdown(own.join('\n'), depth + 1) };
    }),
  }, k];
}

function isTable(lines, i) {
  return lines[i].includes('|') && i + 1 < lines.length && /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1].slice(0, 2000)) &&
    lines[i + 1].includes('-') && cells(lines[i]).length === cells(lines[i + 1]).length;
}

// "| a | b \| c |" is ["a", "b | c"]; a bar inside `code` separates nothing.
function cells(line) {
  const out = [];
  let cell = '', ticks = false;
  const body = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  for (let i = 0; i < body.length; i++) {
    if (body[i] === '\\' && body[i + 1] === '|') cell += body[++i];
    else if (body[i] === '|' && !ticks) {
      out.push(cell.trim());
      cell = '';
    } else {
      if (body[i] === '`') ticks = !ticks && body.indexOf('`', i + 1) > 0;
      cell += body[i];
    }
  }
  out.push(cell.trim());
  return out;
}

function table(lines, i) {
  const head = cells(lines[i]);
  const align = cells(lines[i + 1]).map((c) => (c.endsWith(':') ? (c.startsWith(':') ? 'center' : 'end') : 'start'));
  const rows = [];
  let k = i + 2;
  for (; k < lines.length && lines[k].trim() && lines[k].includes('|'); k++) {
    const row = cells(lines[k]).slice(0, head.length);
    while (row.length < head.length) row.push('');
    rows.push(row);
  }
  return [{ type: 'table', head, align, rows }, k];
}

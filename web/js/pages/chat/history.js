// history.js - the conversations this browser keeps: a list of heads {id, title, updated} in memory, the conversations
// themselves in IndexedDB. Tabs tell each other what they changed.
import { openDb } from '../../lib/db.js';
import { signal } from '../../lib/signal.js';
import { sanitize } from './conversation.js';

export const heads = signal([]); // newest first
export const storage = signal({ lasting: true, failed: false });
const open = new Map(); // id → conversation; one object for everybody who shows or extends it
const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('glim.history') : null;
const headOf = (c) => ({ id: c.id, title: c.title, updated: c.updated });

function setHeads(list) { heads.set(list.sort((a, b) => b.updated - a.updated)); }

export async function loadHistory() {
  const db = await openDb();
  if (!db.lasting) storage.set({ ...storage.value, lasting: false });
  setHeads(await db.all('heads'));
}

channel?.addEventListener('message', async ({ data }) => {
  const db = await openDb();
  setHeads(await db.all('heads'));
  const mine = open.get(data.id);
  if (!mine || unsaved.has(data.id) || data.gone) return;
  const c = await db.get('bodies', data.id);
  if (c) {
    for (const name of Object.keys(mine)) delete mine[name];
    Object.assign(mine, c);
    changed.set({ id: data.id });
  }
});
export const changed = signal(null); // {id} of a conversation that another tab wrote

export async function openConversation(id) {
  if (!open.has(id)) {
    const c = await (await openDb()).get('bodies', id);
    if (!open.has(id) && c) open.set(id, c);
  }
  return open.get(id) || null;
}

// ---- saving: soon, and not for every token ----
const unsaved = new Map();
const dropped = new WeakSet();

export function save(c, soon = 0) {
  if (dropped.has(c)) return; // an answer that ends after its conversation was deleted
  open.set(c.id, c);
  const list = heads.value.filter((x) => x.id !== c.id);
  const was = heads.value.find((x) => x.id === c.id);
  if (!was || was.title !== c.title || was.updated !== c.updated) setHeads([headOf(c), ...list]);
  if (unsaved.has(c.id) && soon) return;
  clearTimeout(unsaved.get(c.id));
  unsaved.set(c.id, setTimeout(() => { write(c.id); }, soon));
}

async function write(id) {
  clearTimeout(unsaved.get(id));
  const c = open.get(id);
  if (!c || !unsaved.delete(id)) return;
  try {
    await (await openDb()).write({ heads: [headOf(c)], bodies: [c] });
    if (storage.value.failed) storage.set({ ...storage.value, failed: false });
    channel?.postMessage({ id });
  } catch { // the disk is full, most likely: the page goes on and says so
    if (!storage.value.failed) storage.set({ ...storage.value, failed: true });
  }
}
addEventListener('pagehide', () => { for (const id of [...unsaved.keys()]) write(id); });
document.addEventListener('visibilitychange', () => { if (document.hidden) for (const id of [...unsaved.keys()]) write(id); });

export async function rename(id, title) {
  const c = await openConversation(id);
  if (!c) return;
  c.title = title;
  c.named = true;
  save(c);
}

// Resolves to a function that brings them back.
export async function remove(ids) {
  const db = await openDb();
  const gone = (await Promise.all(ids.map(openConversation))).filter(Boolean).map((c) => structuredClone(c));
  for (const id of ids) {
    clearTimeout(unsaved.get(id));
    unsaved.delete(id);
    if (open.has(id)) dropped.add(open.get(id));
    open.delete(id);
  }
  setHeads(heads.value.filter((x) => !ids.includes(x.id)));
  await db.write({ heads: ids, bodies: ids });
  channel?.postMessage({ id: '', gone: true });
  return () => restore(gone);
}

async function restore(list) {
  await (await openDb()).write({ heads: list.map(headOf), bodies: list });
  for (const c of list) open.delete(c.id);
  setHeads([...list.map(headOf), ...heads.value.filter((x) => !list.some((c) => c.id === x.id))]);
  channel?.postMessage({ id: '' });
}

// [{...head, found: 'words around the hit'}] for every conversation that holds all the words.
export async function search(query, stillWanted) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const out = [];
  await (await openDb()).each('bodies', (c) => {
    if (!stillWanted()) return false;
    const texts = [c.title, ...Object.values(c.nodes).map((n) => n.content || '')];
    const low = texts.map((x) => x.toLowerCase());
    if (!words.every((w) => low.some((x) => x.includes(w)))) return true;
    const at = low.findIndex((x, i) => i > 0 && x.includes(words[0]));
    out.push({ ...headOf(c), found: at > 0 && !low[0].includes(words[0]) ? around(texts[at], low[at].indexOf(words[0])) : '' });
    return true;
  });
  return out.sort((a, b) => b.updated - a.updated);
}

function around(text, at) {
  const from = Math.max(0, at - 24);
  return (from > 0 ? '…' : '') + text.slice(from, at + 60).replace(/\s+/g, ' ').trim();
}

// ---- files ----
const FORMAT = 'glim-conversations';

export async function exportFile(ids) {
  const list = [];
  for (const { id } of heads.value.filter((x) => !ids || ids.includes(x.id))) list.push(await openConversation(id));
  return JSON.stringify({ format: FORMAT, version: 1, conversations: list.filter(Boolean) }, null, 1);
}

// Resolves to the number of conversations taken in. Throws where the file is not one of ours.
export async function importFile(text) {
  const v = JSON.parse(text);
  if (v?.format !== FORMAT || !Array.isArray(v.conversations)) throw new TypeError(`want "format": "${FORMAT}"`);
  if (v.version !== 1) throw new TypeError(`version ${v.version}`);
  const list = v.conversations.slice(0, 10000).map(sanitize).filter(Boolean);
  await restore(list);
  return list.length;
}

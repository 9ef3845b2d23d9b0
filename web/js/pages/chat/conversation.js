// conversation.js - one conversation as a tree of turns. Nothing is overwritten: an edited question or a second answer is
// a sibling of the first, and `pick` says which one is looked at. Plain data, no DOM, no storage.
//
//   conversation {id, title, named, created, updated, model, settings, nodes: {id: node}}; nodes[''] is the root
//   node {id, parent, kids: [id], pick, role: 'user' | 'assistant' | 'tool', content, created, …}
//     assistant: reasoning, calls: [{id, name, arguments}], state, error, finish, model, usage, timing
//     tool: call (the id it answers)
//   state: 'streaming' | 'done' | 'stopped' | 'failed'; a 'streaming' one that nobody streams was cut off
import { newId } from '../../lib/dom.js';

const ROLES = ['user', 'assistant', 'tool'];
const STATES = ['done', 'stopped', 'failed'];

export function newConversation(model, settings) {
  const now = Date.now();
  return {
    id: newId(), title: '', named: false, created: now, updated: now, model, settings: { ...settings },
    nodes: { '': { id: '', parent: null, kids: [], pick: 0, role: 'root' } },
  };
}

export function addNode(c, parent, fields) {
  const node = { id: newId(), parent, kids: [], pick: 0, content: '', created: Date.now(), ...fields };
  c.nodes[node.id] = node;
  const above = c.nodes[parent];
  above.pick = above.kids.push(node.id) - 1;
  c.updated = node.created;
  return node;
}

// Takes a turn and everything below it out; the one before it among its siblings is looked at then.
export function dropNode(c, node) {
  const above = c.nodes[node.parent], at = above.kids.indexOf(node.id);
  above.kids.splice(at, 1);
  above.pick = Math.max(0, Math.min(at <= above.pick ? above.pick - 1 : above.pick, above.kids.length - 1));
  for (const todo = [node.id]; todo.length;) {
    const id = todo.pop();
    todo.push(...c.nodes[id].kids);
    delete c.nodes[id];
  }
}

// The turns that are looked at, first to last.
export function pathOf(c) {
  const out = [];
  for (let n = c.nodes['']; n.kids.length;) {
    n = c.nodes[n.kids[n.pick]];
    out.push(n);
  }
  return out;
}

export function lastOf(c) {
  const path = pathOf(c);
  return path.length ? path[path.length - 1] : c.nodes[''];
}

// {at, of}: the second of three is {at: 1, of: 3}
export function variant(c, node) {
  const kids = c.nodes[node.parent].kids;
  return { at: kids.indexOf(node.id), of: kids.length };
}

export function chooseVariant(c, node, at) {
  const above = c.nodes[node.parent];
  above.pick = Math.max(0, Math.min(above.kids.length - 1, at));
}

// What the API wants to read before it answers below `node`.
export function messagesFor(c, node) {
  const turns = [];
  for (let n = node; n && n.role !== 'root'; n = c.nodes[n.parent]) turns.unshift(n);
  const lastQuestion = turns.findLastIndex((n) => n.role === 'user');
  const out = [];
  if (c.settings.system?.trim()) out.push({ role: 'system', content: c.settings.system });
  turns.forEach((n, i) => {
    if (n.role === 'user') out.push({ role: 'user', content: n.content });
    else if (n.role === 'tool') out.push({ role: 'tool', tool_call_id: n.call, content: n.content });
    else if (n.calls?.length) {
      const m = { role: 'assistant', content: n.content || null, tool_calls: n.calls.map((t) => ({ id: t.id, type: 'function', function: { name: t.name, arguments: t.arguments || '{}' } })) };
      if (n.reasoning && i > lastQuestion) m.reasoning_content = n.reasoning; // kept within one turn, as GLM was trained
      out.push(m);
    } else if (n.content) out.push({ role: 'assistant', content: n.content });
  });
  return out;
}

export function titleFrom(text) {
  const line = text.trim().split('\n').find((l) => l.trim()) || '';
  const words = line.replace(/\s+/g, ' ').trim();
  return [...words].length > 60 ? [...words].slice(0, 58).join('').trimEnd() + '…' : words;
}

// ---- text for people, and files that come back ----

export function asMarkdown(c, names) {
  const parts = [`# ${c.title || names.untitled}`];
  if (c.settings.system?.trim()) parts.push(`## ${names.system}\n\n${c.settings.system.trim()}`);
  for (const n of pathOf(c)) {
    parts.push(`## ${n.role === 'assistant' ? n.model || names.assistant : names[n.role]}\n\n${n.content.trim()}`);
    for (const call of n.calls || []) parts.push('```json\n' + JSON.stringify({ name: call.name, arguments: call.arguments }) + '\n```');
  }
  return parts.join('\n\n') + '\n';
}

// What a file holds is from outside: known fields with the types they should have, links that hold, or null.
export function sanitize(v) {
  if (!v || typeof v !== 'object' || typeof v.nodes !== 'object' || !v.nodes?.['']) return null;
  const text = (x, max = 2e6) => (typeof x === 'string' ? x.slice(0, max) : '');
  const time = (x) => (Number.isFinite(x) && x > 0 && x < 8e15 ? x : Date.now());
  const c = { ...newConversation(text(v.model, 200), sanitizeSettings(v.settings)), title: text(v.title, 300), named: v.named === true, created: time(v.created), updated: time(v.updated) };
  const ids = new Map([['', '']]);
  const todo = [''];
  while (todo.length) { // from the root downwards, so a cycle or a stray node is simply never reached
    const old = todo.pop(), node = c.nodes[ids.get(old)], from = Object.hasOwn(v.nodes, old) ? v.nodes[old] : null;
    if (!Array.isArray(from?.kids)) continue;
    for (const kid of from.kids) {
      const k = typeof kid === 'string' && Object.hasOwn(v.nodes, kid) ? v.nodes[kid] : null;
      if (!k || ids.has(kid) || !ROLES.includes(k.role)) continue;
      const copy = addNode(c, node.id, { role: k.role, content: text(k.content), created: time(k.created) });
      if (k.role === 'tool') copy.call = text(k.call, 200);
      if (k.role === 'assistant') Object.assign(copy, assistantFields(k, text));
      ids.set(kid, copy.id);
      todo.push(kid);
    }
    node.pick = Number.isInteger(from.pick) && from.pick >= 0 && from.pick < node.kids.length ? from.pick : Math.max(0, node.kids.length - 1);
  }
  c.updated = time(v.updated);
  return c;
}

function assistantFields(k, text) {
  const whole = (x) => (Number.isFinite(x) && x >= 0 ? x : undefined);
  const calls = (Array.isArray(k.calls) ? k.calls : []).slice(0, 128).map((x) => ({ id: text(x?.id, 200), name: text(x?.name, 200), arguments: text(x?.arguments) }));
  return {
    model: text(k.model, 200), reasoning: text(k.reasoning), calls, finish: text(k.finish, 40) || null,
    state: STATES.includes(k.state) ? k.state : 'stopped',
    usage: k.usage ? { prompt: whole(k.usage.prompt), completion: whole(k.usage.completion), cached: whole(k.usage.cached) } : null,
    timing: k.timing ? { first: whole(k.timing.first), thought: whole(k.timing.thought), rate: whole(k.timing.rate) } : null,
  };
}

// The settings of a conversation; what is absent is left to the model and the server.
export const SETTINGS = {
  system: { kind: 'text' },
  thinking: { kind: 'choice', of: ['none', 'low', 'medium', 'high'] },
  temperature: { kind: 'number', min: 0, max: 2, step: 0.05, usual: 1 },
  top_p: { kind: 'number', min: 0, max: 1, step: 0.01, usual: 1 },
  max_tokens: { kind: 'number', min: 1, max: 1e6, step: 1 },
  seed: { kind: 'number', min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 },
  frequency_penalty: { kind: 'number', min: -2, max: 2, step: 0.1, usual: 0 },
  presence_penalty: { kind: 'number', min: -2, max: 2, step: 0.1, usual: 0 },
  stop: { kind: 'text' },
  tools: { kind: 'text' },
};

export function sanitizeSettings(v) {
  const out = {};
  for (const [name, s] of Object.entries(SETTINGS)) {
    const x = v?.[name];
    if (s.kind === 'number' ? Number.isFinite(x) && x >= s.min && x <= s.max : s.kind === 'choice' ? s.of.includes(x) : typeof x === 'string' && x) out[name] = x;
  }
  return out;
}

// The declared tools: [] where there are none; throws a SyntaxError or TypeError that says what is wrong.
export function toolsOf(settings) {
  if (!settings.tools?.trim()) return [];
  const v = JSON.parse(settings.tools);
  if (!Array.isArray(v)) throw new TypeError('want [ … ]');
  return v.map((x) => (x?.type === 'function' ? x : { type: 'function', function: x }));
}

export function requestFor(c, node) {
  const s = c.settings;
  const body = { model: c.model, messages: messagesFor(c, node) };
  for (const name of ['temperature', 'top_p', 'seed', 'frequency_penalty', 'presence_penalty']) if (s[name] !== undefined) body[name] = s[name];
  if (s.max_tokens !== undefined) body.max_completion_tokens = s.max_tokens;
  if (s.thinking) body.reasoning_effort = s.thinking;
  const stop = (s.stop || '').split('\n').filter((x) => x).slice(0, 4);
  if (stop.length) body.stop = stop;
  const tools = toolsOf(s);
  if (tools.length) body.tools = tools;
  return body;
}

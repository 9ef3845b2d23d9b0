// api.js - the server. Every failure becomes an ApiError whose kind says what a person can do about it.
import { signal } from './signal.js';
import { eventReader } from './sse.js';

// kind: offline (no connection), broken (it ended in the middle), auth, forbidden, busy (429), loading (503, the model is being
// read), overloaded (503), context (too long), missing (404), bad (other 4xx), server (5xx), stopped (by the user)
export class ApiError extends Error {
  constructor(kind, message, more = {}) {
    super(message);
    this.kind = kind;
    Object.assign(this, more); // status, code, waitSeconds
  }
}

// The key lasts as long as the tab: closed, it is forgotten.
const NAME = 'glim.key';
function readKey() {
  try { return sessionStorage.getItem(NAME) || ''; } catch { return ''; }
}
export const apiKey = signal(readKey());
export function setKey(key) {
  try { key ? sessionStorage.setItem(NAME, key) : sessionStorage.removeItem(NAME); } catch { /* it stays in memory */ }
  apiKey.set(key);
}

function kindOf(status, code) {
  if (code === 'context_length_exceeded') return 'context';
  if (status === 401) return 'auth';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'missing';
  if (status === 429) return 'busy';
  if (status === 503) return code === 'model_loading' ? 'loading' : 'overloaded';
  return status >= 500 ? 'server' : 'bad';
}

function waitOf(headers) {
  const ms = parseFloat(headers.get('retry-after-ms'));
  const s = parseFloat(headers.get('retry-after'));
  const wait = ms >= 0 ? ms / 1000 : s;
  return wait >= 0 && wait < 600 ? wait : undefined;
}

async function failure(reply) {
  let said = {};
  try { said = (await reply.json()).error || {}; } catch { /* a proxy's page, or nothing */ }
  const message = typeof said.message === 'string' ? said.message : '';
  return new ApiError(kindOf(reply.status, said.code), message, { status: reply.status, code: said.code, waitSeconds: waitOf(reply.headers) });
}

// body: JSON, or a file as it is.
async function request(path, { body, file, signal: abort } = {}) {
  const headers = {};
  if (body) headers['Content-Type'] = 'application/json';
  if (file) headers['Content-Type'] = 'application/octet-stream';
  if (apiKey.value) headers.Authorization = 'Bearer ' + apiKey.value;
  let reply;
  try {
    reply = await fetch(path, { method: body || file ? 'POST' : 'GET', headers, body: file || (body && JSON.stringify(body)), signal: abort, cache: 'no-store' });
  } catch (e) {
    if (e.name === 'AbortError') throw new ApiError('stopped', '');
    throw new ApiError('offline', '');
  }
  if (!reply.ok) throw await failure(reply);
  return reply;
}

export async function getJson(path, what) {
  const reply = await request(path, what);
  try {
    return await reply.json();
  } catch {
    throw new ApiError('broken', '');
  }
}

// [{id, meta}]
export async function listModels() {
  const list = (await getJson('/v1/models')).data;
  return Array.isArray(list) ? list.filter((m) => m && typeof m.id === 'string') : [];
}

// Streams one answer: onDelta(delta) for each piece. Resolves to {finish, usage, model}.
export async function streamChat(body, { signal: abort, onDelta }) {
  const reply = await request('/v1/chat/completions', { body: { ...body, stream: true, stream_options: { include_usage: true } }, signal: abort });
  const out = { finish: null, usage: null, model: body.model };
  const reader = reply.body.getReader();
  const decoder = new TextDecoder();
  const feed = eventReader();
  let whole = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      for (const data of feed(done ? decoder.decode() : decoder.decode(value, { stream: true }))) {
        if (data === '[DONE]') whole = true;
        else take(out, JSON.parse(data), onDelta);
      }
      if (done) break;
    }
  } catch (e) {
    if (e instanceof ApiError) throw e;
    if (abort?.aborted) throw new ApiError('stopped', '');
    throw new ApiError('broken', '');
  } finally {
    reader.cancel().catch(() => { /* it is over already */ });
  }
  if (!whole && !out.finish) throw new ApiError('broken', '');
  return out;
}

function take(out, chunk, onDelta) {
  if (chunk.error) throw new ApiError(kindOf(500, chunk.error.code), String(chunk.error.message || ''), { code: chunk.error.code });
  if (chunk.usage) out.usage = chunk.usage;
  if (chunk.model) out.model = chunk.model;
  const choice = chunk.choices?.[0];
  if (!choice) return;
  if (choice.delta) onDelta(choice.delta);
  if (choice.finish_reason) out.finish = choice.finish_reason;
}

// server.js - what is known of the server: its models, and whether it answers at all. Asked at the start, after a new key, and
// again every few seconds while it is away or loading.
import { apiKey, listModels } from './api.js';
import { signal } from './signal.js';

// state: 'asking', 'ready', 'loading', 'away', 'auth', 'failed'
export const server = signal({ state: 'asking', models: [], message: '' });

let timer, turn = 0, asking = null;
export function askServer() {
  clearTimeout(timer);
  asking = ask(++turn);
  return asking;
}

// When nothing is being asked any more.
export async function serverKnown() {
  for (let was = null; was !== asking;) await (was = asking);
}

async function ask(mine) {
  let next;
  try {
    next = { state: 'ready', models: await listModels(), message: '' };
  } catch (e) {
    const state = { auth: 'auth', forbidden: 'auth', loading: 'loading', overloaded: 'loading', offline: 'away', broken: 'away' }[e.kind] || 'failed';
    next = { state, models: server.value.models, message: e.message };
    if (state === 'loading' || state === 'away') timer = setTimeout(askServer, 3000);
  }
  if (mine === turn) server.set(next);
}

apiKey.watch(() => { askServer(); });
addEventListener('online', () => { askServer(); });

// runs.js - answers being written. A run belongs to a conversation, not to the view of it: it goes on while another
// conversation is looked at. What has arrived is saved as it comes, so a reload loses a second at most.
import { ApiError, streamChat } from '../../lib/api.js';
import { signal } from '../../lib/signal.js';
import { addNode, lastOf, requestFor } from './conversation.js';
import { save } from './history.js';

const runs = new Map(); // conversation id → {node, controller}
export const running = signal(new Set()); // their ids, for lists
export const progress = signal(null); // the run that moved last: {conversation, node, end}

let leaving = false; // a reload ends the request too: that is no failure of the server's
addEventListener('pagehide', () => { leaving = true; });
addEventListener('pageshow', () => { leaving = false; });

export const isRunning = (id) => runs.has(id);
export function stop(id) { runs.get(id)?.controller.abort(); }

// Answers below `parent` (by default the last turn that is looked at), when `ready` has resolved: to the model's name. Resolves when
// it is over; failures are in the node.
export async function answer(conversation, parent = lastOf(conversation), ready = null) {
  const c = conversation;
  if (runs.has(c.id)) return;
  const controller = new AbortController();
  const node = addNode(c, parent.id, { role: 'assistant', model: c.model, state: 'streaming', reasoning: '', calls: [], timing: {} });
  const clock = { start: performance.now(), first: 0, last: 0, content: 0, pieces: -1 };
  runs.set(c.id, { node, controller });
  running.set(new Set(runs.keys()));
  save(c);
  const tell = (end) => progress.set({ conversation: c, node, end });
  tell(false);
  try {
    if (ready) c.model = node.model = await Promise.race([ready, stopped(controller.signal)]);
    const out = await streamChat(requestFor(c, parent), {
      signal: controller.signal,
      onDelta(delta) {
        if (!take(node, delta)) return;
        clock.last = performance.now();
        clock.first ||= clock.last;
        clock.pieces++;
        if (clock.last - clock.first > 300) node.timing.rate = clock.pieces / ((clock.last - clock.first) / 1000); // a piece is a token, mostly
        node.timing.first = (clock.first - clock.start) / 1000;
        if (delta.content && !clock.content) {
          clock.content = clock.last;
          if (node.reasoning) node.timing.thought = (clock.content - clock.first) / 1000;
        }
        save(c, 1000);
        tell(false);
      },
    });
    node.state = 'done';
    node.finish = out.finish;
    node.model = out.model || c.model;
    if (out.usage) measure(node, out.usage, clock);
  } catch (e) {
    if (leaving) return;
    node.state = e.kind === 'stopped' ? 'stopped' : 'failed';
    if (node.state === 'failed') node.error = { kind: e.kind || 'bad', message: e.message || '', code: e.code || '', wait: e.waitSeconds, at: Date.now() };
  }
  runs.delete(c.id);
  running.set(new Set(runs.keys()));
  c.updated = Date.now();
  save(c);
  tell(true);
}

const stopped = (signal) => new Promise((_, fail) => { signal.addEventListener('abort', () => fail(new ApiError('stopped', ''))); });

// Adds a delta to a node; false if it held nothing to show.
function take(node, delta) {
  const thought = typeof delta.reasoning_content === 'string' ? delta.reasoning_content : typeof delta.reasoning === 'string' ? delta.reasoning : '';
  node.reasoning += thought;
  if (typeof delta.content === 'string') node.content += delta.content;
  for (const call of delta.tool_calls || []) {
    if (!Number.isInteger(call.index) || call.index < 0 || call.index > node.calls.length) continue; // they come densely
    const mine = (node.calls[call.index] ||= { id: '', name: '', arguments: '' });
    if (call.id) mine.id = call.id;
    if (call.function?.name) mine.name = call.function.name;
    mine.arguments += call.function?.arguments || '';
  }
  return !!(thought || delta.content || delta.tool_calls?.length);
}

// The first token's time belongs to reading the prompt: the rate is that of the tokens after it. Where these came all at
// once (a tiny model), the rate counts the whole time.
function measure(node, usage, clock) {
  node.usage = { prompt: usage.prompt_tokens, completion: usage.completion_tokens, cached: usage.prompt_tokens_details?.cached_tokens };
  const n = usage.completion_tokens, writing = (clock.last - clock.first) / 1000;
  if (n > 1) node.timing.rate = writing > 0.02 ? (n - 1) / writing : n / ((clock.last - clock.start) / 1000);
}

// signal.js - a value that says when it changes.
//
//   const theme = signal('light');
//   const stop = theme.watch((v) => …);   // called at each change, not now
//   theme.set('dark'); theme.value; stop();

export function signal(value) {
  const watchers = new Set();
  return {
    get value() { return value; },
    set(next) {
      if (next === value && typeof next !== 'object') return;
      value = next;
      this.tell();
    },
    tell() { for (const f of [...watchers]) f(value); },
    watch(f) {
      watchers.add(f);
      return () => watchers.delete(f);
    },
  };
}

// Collects what has to be undone when a view goes away.
export function scope() {
  const undo = [];
  return {
    add(f) { undo.push(f); },
    listen(target, type, f, options) {
      target.addEventListener(type, f, options);
      undo.push(() => target.removeEventListener(type, f, options));
    },
    end() { while (undo.length) undo.pop()(); },
  };
}

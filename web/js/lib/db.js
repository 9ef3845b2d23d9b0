// db.js - IndexedDB as promises; without it (private windows of some browsers) a map that lasts as long as the page.

const VERSION = 1;
const STORES = ['heads', 'bodies'];

let opened;
export function openDb() {
  opened ||= new Promise((resolve) => {
    let ask;
    try { ask = indexedDB.open('glim', VERSION); } catch { return resolve(null); }
    ask.onupgradeneeded = () => {
      for (const name of STORES) if (!ask.result.objectStoreNames.contains(name)) ask.result.createObjectStore(name, { keyPath: 'id' });
    };
    ask.onsuccess = () => {
      ask.result.onversionchange = () => ask.result.close(); // a newer page in another tab wants to change the stores
      resolve(ask.result);
    };
    ask.onerror = () => resolve(null);
  }).then((db) => (db ? stores(db) : memory()));
  return opened;
}

const done = (ask) => new Promise((resolve, reject) => {
  ask.onsuccess = () => resolve(ask.result);
  ask.onerror = () => reject(ask.error);
});

function stores(db) {
  const whole = (tx) => new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = tx.onerror = () => reject(tx.error);
  });
  return {
    lasting: true,
    all: (store) => done(db.transaction(store).objectStore(store).getAll()),
    get: (store, id) => done(db.transaction(store).objectStore(store).get(id)),
    // {heads: [...], bodies: [...]} in one transaction; a string is an id to delete
    write(changes) {
      const tx = db.transaction(Object.keys(changes), 'readwrite');
      for (const [store, items] of Object.entries(changes))
        for (const x of items) typeof x === 'string' ? tx.objectStore(store).delete(x) : tx.objectStore(store).put(x);
      return whole(tx);
    },
    // One after the other, so that a search never holds everything in memory. f returns false to stop.
    each: (store, f) => new Promise((resolve, reject) => {
      const ask = db.transaction(store).objectStore(store).openCursor();
      ask.onsuccess = () => (ask.result && f(ask.result.value) !== false ? ask.result.continue() : resolve());
      ask.onerror = () => reject(ask.error);
    }),
  };
}

function memory() {
  const maps = Object.fromEntries(STORES.map((s) => [s, new Map()]));
  return {
    lasting: false,
    all: async (store) => [...maps[store].values()].map((x) => structuredClone(x)),
    get: async (store, id) => structuredClone(maps[store].get(id)),
    async write(changes) {
      for (const [store, items] of Object.entries(changes))
        for (const x of items) typeof x === 'string' ? maps[store].delete(x) : maps[store].set(x.id, structuredClone(x));
    },
    async each(store, f) {
      for (const x of maps[store].values()) if (f(x) === false) return;
    },
  };
}

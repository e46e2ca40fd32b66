// Runs of this model that the browser remembers, with files, without secrets. Nothing of it leaves the browser; where
// it keeps nothing, in a private window say, the page works without.

import { Hidden, Upload, replaced } from "./values.mjs";

/** Runs of a model that are kept. */
const KEPT = 50;

export class History {
  constructor(model) {
    this.model = model;
    this.opened = opened();
  }

  /** Do something with the store; `otherwise` where the browser keeps nothing, or has no room. */
  async within(mode, act, otherwise) {
    try {
      const database = await this.opened;
      return await act(database.transaction("runs", mode).objectStore("runs"));
    } catch {
      return otherwise;
    }
  }

  /** Give all runs, the latest first. */
  async all() {
    const found = await this.within("readonly", (store) => done(store.index("model").getAll(this.model)), []);
    return found.sort((one, other) => other.began - one.began);
  }

  async add(run) {
    const shown = Object.entries(run.values).filter(([, value]) => !(value instanceof Hidden));
    const values = replaced(Object.fromEntries(shown), packed);
    await this.within("readwrite", (store) => done(store.put({ ...run, values, model: this.model })));
    await this.forget((await this.all()).slice(KEPT));
  }

  async forget(runs) {
    await this.within("readwrite", (store) => Promise.all(runs.map(({ id }) => done(store.delete(id)))));
  }
}

function opened() {
  const opening = indexedDB.open("cogpack", 1);
  opening.onupgradeneeded = () =>
    opening.result.createObjectStore("runs", { keyPath: "id" }).createIndex("model", "model");
  return done(opening);
}

function packed(one) {
  return one instanceof Upload ? { upload: one.file } : "";
}

/** Give values as the form takes them. */
export function unpacked(values) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, restored(value)]));
}

function restored(value) {
  if (Array.isArray(value)) return value.map(restored);
  return value?.upload instanceof Blob ? new Upload(value.upload) : value;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

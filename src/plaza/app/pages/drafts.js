// Half a thought waits in its conversation, here and on the person's other devices: the server keeps it.

import { everything } from "./chat-api.js";

const SETTLES_MS = 800;

/** Fires `change` events with the conversation's id when a draft became another elsewhere. */
export class Drafts extends EventTarget {
  #api;
  #texts = new Map(); // what this window knows
  #kept = new Map(); // what the server keeps
  #timers = new Map();
  #ownEchoes = 0;

  constructor({ api, connection, store }) {
    super();
    this.#api = api;
    connection.addEventListener("ready", () => this.#read());
    store.addEventListener("sync", ({ detail }) => {
      if (detail !== "drafts") return;
      if (this.#ownEchoes > 0) this.#ownEchoes -= 1;
      else this.#read();
    });
  }

  of = (id) => this.#texts.get(id) ?? "";

  /** Kept on the server a moment later. */
  write(id, text) {
    if (text.trim() === "") this.#texts.delete(id);
    else this.#texts.set(id, text);
    clearTimeout(this.#timers.get(id));
    this.#timers.set(id, setTimeout(() => this.keep(id), SETTLES_MS));
  }

  /** Now, because the person turns to something else, or sent it. */
  async keep(id) {
    if (!this.#timers.has(id)) return;
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    const text = this.of(id);
    if (text === (this.#kept.get(id) ?? "")) return;
    try {
      if (text === "") {
        this.#kept.delete(id);
        await this.#api.removeDraft(id);
      } else {
        this.#kept.set(id, text);
        this.#ownEchoes += 1;
        await this.#api.putDraft(id, text);
      }
    } catch {
      this.#ownEchoes = 0;
      this.#kept.delete(id); // it stays in this window, and goes to the server with the next change
    }
  }

  async #read() {
    this.#ownEchoes = 0;
    let items;
    try {
      items = await everything(this.#api.drafts);
    } catch {
      return; // the next `ready` asks again
    }
    const kept = new Map(items.map((each) => [each.conversation_id, each.content]));
    for (const id of new Set([...this.#kept.keys(), ...kept.keys()])) {
      const isBeingWritten = this.#timers.has(id) || this.of(id) !== (this.#kept.get(id) ?? "");
      if (isBeingWritten || this.#kept.get(id) === kept.get(id)) continue;
      if (kept.has(id)) this.#texts.set(id, kept.get(id));
      else this.#texts.delete(id);
      this.dispatchEvent(new CustomEvent("change", { detail: id }));
    }
    this.#kept = kept;
  }
}

// Whom the person has blocked. In groups what they write is hidden here, not on the server.

import { everything } from "./chat-api.js";

export const VEIL = "From somebody whom you blocked";

/** Fires `change`. */
export class Blocks extends EventTarget {
  #api;
  #ids = new Set();

  constructor({ api, connection, store }) {
    super();
    this.#api = api;
    connection.addEventListener("ready", () => this.#read());
    store.addEventListener("sync", ({ detail }) => {
      if (detail === "blocks") this.#read();
    });
  }

  has = (userId) => this.#ids.has(userId);

  hides = (message, conversation) => conversation.kind === "group" && this.has(message.sender_id) && !message.deleted_at;

  async block(userId) {
    await this.#api.block(userId);
    this.#ids.add(userId);
    this.dispatchEvent(new Event("change"));
  }

  async unblock(userId) {
    await this.#api.unblock(userId);
    this.#ids.delete(userId);
    this.dispatchEvent(new Event("change"));
  }

  async #read() {
    let ids;
    try {
      ids = new Set((await everything(this.#api.blocks)).map((each) => each.user_id));
    } catch {
      return; // the next `ready` asks again
    }
    const isSame = ids.size === this.#ids.size && [...ids].every(this.has);
    this.#ids = ids;
    if (!isSame) this.dispatchEvent(new Event("change"));
  }
}

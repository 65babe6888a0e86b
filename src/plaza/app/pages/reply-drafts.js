// Half a reply waits at the message that it answers, over reloads of this window: the server keeps a draft of each
// conversation, and none of its threads.

export class ReplyDrafts {
  #storageKey;
  #texts;

  constructor(userId) {
    this.#storageKey = `plaza-replies-${userId}`;
    this.#texts = new Map(JSON.parse(sessionStorage.getItem(this.#storageKey) ?? "[]"));
  }

  of = (messageId) => this.#texts.get(messageId) ?? "";

  write(messageId, text) {
    if (text.trim() === "") this.#texts.delete(messageId);
    else this.#texts.set(messageId, text);
    sessionStorage.setItem(this.#storageKey, JSON.stringify([...this.#texts]));
  }

  /** Forgets all, at log-out. */
  clear() {
    this.#texts.clear();
    sessionStorage.removeItem(this.#storageKey);
  }
}

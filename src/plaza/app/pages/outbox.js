// Messages on their way out. Each keeps its client_id until the server has it, over every reconnect and reload of
// the window, so that the server can tell a repetition: nothing is lost and nothing is said twice.

import { ConnectionLost } from "./socket.js";

const WAITS = { SLOW_MODE: "Slow mode is on.", RATE_LIMITED: "You write faster than may be sent." };

/**
 * Entries are {client_id, conversation_id, parent_id, content, created_at, state: pending|failed, problem, until}. One
 * message of a conversation is under way at a time, so that they arrive in the order in which they were written. One
 * that must wait (slow mode, a flood) goes out by itself at `until`, and `problem` says why.
 * `deliver(entry)` sends one. Fires `change` events with the conversation's id.
 */
export class Outbox extends EventTarget {
  #entries;
  #underway = new Set();
  #storageKey;
  #deliver;
  #timers = new Set();

  constructor(userId, deliver) {
    super();
    this.#storageKey = `plaza-outbox-${userId}`;
    this.#deliver = deliver;
    this.#entries = JSON.parse(sessionStorage.getItem(this.#storageKey) ?? "[]");
  }

  of(conversationId) {
    return this.#entries.filter((entry) => entry.conversation_id === conversationId);
  }

  add(conversationId, content, parentId = null) {
    this.#entries.push({
      client_id: uuid(),
      conversation_id: conversationId,
      parent_id: parentId,
      content,
      created_at: new Date().toISOString(),
      state: "pending",
      problem: null,
      until: null,
    });
    this.#changed(conversationId);
    this.#next(conversationId);
  }

  retry(clientId) {
    const entry = this.#find(clientId);
    if (entry === undefined) return;
    Object.assign(entry, { state: "pending", problem: null, until: null });
    this.#changed(entry.conversation_id);
    this.#next(entry.conversation_id);
  }

  /** The server has it, or the writer gave it up. */
  remove(clientId) {
    const entry = this.#find(clientId);
    if (entry === undefined) return;
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#changed(entry.conversation_id);
  }

  /** Sends whatever waits; to be called whenever the connection is ready again. */
  flush() {
    for (const id of new Set(this.#entries.map((entry) => entry.conversation_id))) this.#next(id);
  }

  /** Forgets all, at log-out. */
  clear() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#entries = [];
    sessionStorage.removeItem(this.#storageKey);
  }

  async #next(conversationId) {
    if (this.#underway.has(conversationId)) return;
    const entry = this.of(conversationId).find((candidate) => candidate.state === "pending");
    if (entry === undefined) return;
    this.#underway.add(conversationId);
    let pause = 0;
    try {
      await this.#deliver(entry);
      this.remove(entry.client_id);
    } catch (error) {
      if (error instanceof ConnectionLost) pause = Infinity; // until flush()
      else if (error.retryAfter) pause = this.#wait(entry, error);
      else this.#fail(entry, error);
    }
    this.#underway.delete(conversationId);
    if (pause === Infinity) return;
    if (pause === 0) this.#next(conversationId);
    else this.#later(() => this.#next(conversationId), pause);
  }

  #wait(entry, { code, message, retryAfter }) {
    Object.assign(entry, { until: Date.now() + retryAfter * 1000, problem: WAITS[code] ?? message });
    this.#changed(entry.conversation_id);
    return retryAfter * 1000;
  }

  #fail(entry, error) {
    if (this.#find(entry.client_id) === undefined) return;
    Object.assign(entry, { state: "failed", problem: error.message });
    this.#changed(entry.conversation_id);
  }

  #later(work, delay) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delay);
    this.#timers.add(timer);
  }

  #find(clientId) {
    return this.#entries.find((entry) => entry.client_id === clientId);
  }

  #changed(conversationId) {
    sessionStorage.setItem(this.#storageKey, JSON.stringify(this.#entries));
    this.dispatchEvent(new CustomEvent("change", { detail: conversationId }));
  }
}

/** crypto.randomUUID is missing where the page was loaded over plain http from another machine. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/u, "$1-$2-$3-$4-");
}

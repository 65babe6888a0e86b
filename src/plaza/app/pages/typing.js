// Who is writing: said by the socket, forgotten after a while; and saying so of oneself, not too often.

const HOLDS_MS = 6_000;
const EVERY_MS = 3_000;

/** Fires `change` events with the conversation's id. */
export class Typing extends EventTarget {
  #connection;
  #writing = new Map(); // conversation id -> Map of user id -> timer
  #said = new Map(); // conversation id -> {at, holds}

  constructor(connection, store) {
    super();
    this.#connection = connection;
    connection.addEventListener("frame", ({ detail: frame }) => {
      if (frame.type === "typing") this.#hear(frame);
    });
    store.addEventListener("message", ({ detail: { conversation, message } }) => {
      this.#forget(conversation.id, message.sender_id); // what was being written is here
    });
  }

  /** User ids. */
  in = (conversationId) => [...(this.#writing.get(conversationId)?.keys() ?? [])];

  /** The person wrote something there. */
  say(conversationId) {
    if (Date.now() - (this.#said.get(conversationId)?.at ?? 0) < EVERY_MS) return;
    this.#said.set(conversationId, { at: Date.now(), holds: true });
    this.#tell(conversationId, true);
  }

  /** The text was sent or taken back. When it was said last still counts: the server hears it no sooner. */
  stop(conversationId) {
    const said = this.#said.get(conversationId);
    if (!said?.holds) return;
    said.holds = false;
    this.#tell(conversationId, false);
  }

  #tell(conversationId, isTyping) {
    this.#connection.tell({ type: "typing", conversation_id: conversationId, is_typing: isTyping });
  }

  #hear({ conversation_id: id, user_id: userId, is_typing: isTyping }) {
    if (!isTyping) {
      this.#forget(id, userId);
      return;
    }
    const people = this.#writing.get(id) ?? new Map();
    this.#writing.set(id, people);
    clearTimeout(people.get(userId));
    people.set(userId, setTimeout(() => this.#forget(id, userId), HOLDS_MS));
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }

  #forget(id, userId) {
    const people = this.#writing.get(id);
    if (!people?.has(userId)) return;
    clearTimeout(people.get(userId));
    people.delete(userId);
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }
}

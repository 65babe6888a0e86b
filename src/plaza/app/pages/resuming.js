// Asks the server for whatever was missed of conversations, and asks again until it is told.

import { FrameError } from "./socket.js";

const SUBSCRIBE_AT_ONCE = 200;
const RETRY_MS = 1_000;
const RETRY_MOST_MS = 20_000;
/** A conversation is none of this person's any more. */
const OVER = new Set(["NOT_PARTICIPANT", "CONVERSATION_NOT_FOUND", "CONVERSATION_DELETED"]);

/** `over(conversation)` is told of each one that the server refuses for good. */
export class Resuming {
  #connection;
  #over;
  #turns = new Map();
  #lastTurn = 0;

  constructor(connection, over) {
    this.#connection = connection;
    this.#over = over;
  }

  /** Its frames are to be ignored: those that come before the answer are repeated behind it. */
  has(id) {
    return this.#turns.has(id);
  }

  /** On a new connection, which knows nothing of what was asked on the old one. */
  restart(conversations) {
    this.#turns.clear();
    this.ask(conversations);
  }

  /** For everything after what was applied. */
  ask(conversations) {
    if (this.#connection.state !== "online") return;
    for (let start = 0; start < conversations.length; start += SUBSCRIBE_AT_ONCE) {
      this.#subscribe(conversations.slice(start, start + SUBSCRIBE_AT_ONCE));
    }
  }

  async #subscribe(batch, pause = RETRY_MS) {
    const turn = ++this.#lastTurn;
    for (const { id } of batch) this.#turns.set(id, turn);
    const mine = () => batch.filter(({ id }) => this.#turns.get(id) === turn);
    const wanted = batch.map(({ id, seq }) => ({ id, after_seq: seq }));
    try {
      await this.#connection.request({ type: "subscribe", conversations: wanted });
    } catch (error) {
      for (const conversation of mine()) conversation.askedAfter = undefined;
      if (error instanceof FrameError) {
        if (OVER.has(error.code)) this.#split(mine());
        else setTimeout(() => this.#again(mine(), pause), Math.max(pause, (error.retryAfter ?? 0) * 1000));
        return;
      } // else the next `ready` asks for all
    }
    for (const { id } of mine()) this.#turns.delete(id);
  }

  /** Of several the server does not say which one is over. */
  #split(batch) {
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      this.#subscribe(batch.slice(0, half));
      this.#subscribe(batch.slice(half));
    } else if (batch.length === 1) {
      this.#turns.delete(batch[0].id);
      this.#over(batch[0]);
    }
  }

  #again(batch, pause) {
    if (batch.length > 0) this.#subscribe(batch, Math.min(2 * pause, RETRY_MOST_MS));
  }
}

// Messages that are loaded in pages while the log goes on: what it tells meanwhile is told again once the page is there,
// so that a page that was read before a change cannot undo it.

import { MessageList } from "./message-list.js";

const PAGE = 40;

class Live {
  /** Null until the first page is there. */
  list = null;
  #underway = 0;
  #meanwhile = [];
  #turn = 0;

  constructor(myId) {
    this.myId = myId;
  }

  get items() {
    return this.list?.items ?? null;
  }

  find = (id) => this.list?.find(id);

  /** An entry of the log, in its order. */
  hear(frame) {
    if (this.#underway > 0) this.#meanwhile.push(frame);
    this.take(frame);
  }

  /** A page by `ask()`, put in by `put(page)`; a `fresh` one takes the place of everything, and of pages still on their way. */
  async load(ask, { fresh = false, put }) {
    if (fresh) this.#turn += 1;
    const turn = this.#turn;
    this.#underway += 1;
    try {
      const page = await ask();
      if (turn !== this.#turn) return;
      if (fresh) this.list = new MessageList(this.myId);
      for (const message of page.items) this.list.place(message);
      put(page);
      for (const frame of this.#meanwhile) this.take(frame);
    } finally {
      this.#underway -= 1;
      if (this.#underway === 0) this.#meanwhile = [];
    }
  }
}

/** A stretch of a conversation: up to its newest message, or, after a jump into the past, with more to both sides. */
export class History extends Live {
  hasOlder = true;
  hasNewer = false;
  #ask;

  /** `ask({limit, beforeSeq | afterSeq | aroundSeq})` gives a page. */
  constructor(myId, ask) {
    super(myId);
    this.#ask = (span) => ask({ limit: PAGE, ...span });
  }

  latest() {
    return this.load(() => this.#ask({}), {
      fresh: true,
      put: (page) => Object.assign(this, { hasOlder: page.next_cursor !== null, hasNewer: false }),
    });
  }

  around(seq) {
    return this.load(() => this.#ask({ aroundSeq: seq }), {
      fresh: true,
      put: () => Object.assign(this, { hasOlder: true, hasNewer: true }),
    });
  }

  older() {
    return this.load(() => this.#ask({ beforeSeq: this.items[0]?.seq ?? 1 }), {
      put: (page) => {
        this.hasOlder = page.next_cursor !== null;
      },
    });
  }

  newer() {
    return this.load(() => this.#ask({ afterSeq: this.items.at(-1)?.seq ?? 0 }), {
      put: (page) => {
        this.hasNewer = page.next_cursor !== null;
      },
    });
  }

  take(frame) {
    if (this.list === null) return;
    if (frame.type !== "message.new") this.list.hear(frame);
    else if (!this.hasNewer) this.list.place(frame.message);
  }
}

/** The replies to one message, all of them. */
export class Replies extends Live {
  #root;

  constructor(myId, root) {
    super(myId);
    this.#root = root;
  }

  /** `ask(cursor)` gives a page. */
  async all(ask) {
    let cursor = null;
    do {
      const from = cursor;
      await this.load(() => ask(from), {
        fresh: from === null,
        put: (page) => {
          cursor = page.next_cursor;
        },
      });
    } while (cursor !== null);
  }

  take(frame) {
    if (this.list === null) return;
    if (frame.type !== "message.new") this.list.hear(frame);
    else if (frame.message.parent_id === this.#root) this.list.place(frame.message);
  }
}

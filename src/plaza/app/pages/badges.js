// What is unread, and how much of it names the reader. Counted at once for the eye; the server's count is the true one.

const SETTLES_MS = 1_000;
const NOTHING = { unread: 0, mentions: 0 };

/** `ask()` gives the server's summary; `changed()` is called whenever a count is another. */
export class Badges {
  #counts = new Map();
  #reads = 0;
  #timer = null;
  #ask;
  #changed;

  constructor(ask, changed) {
    this.#ask = ask;
    this.#changed = changed;
  }

  of = (id) => this.#counts.get(id) ?? NOTHING;

  /** Over all conversations; `reach(id)` tells what counts of one: `all`, `mentions` or `none`. */
  total(reach) {
    let total = 0;
    for (const [id, { unread, mentions }] of this.#counts) total += { all: unread, mentions, none: 0 }[reach(id)];
    return total;
  }

  set(id, { unread, mentions }) {
    this.#counts.set(id, { unread, mentions });
    this.#changed();
  }

  add(id, { isMention }) {
    const { unread, mentions } = this.of(id);
    this.set(id, { unread: unread + 1, mentions: mentions + (isMention ? 1 : 0) });
  }

  /** Everything there was read here. */
  clear(id) {
    this.#reads += 1;
    this.set(id, NOTHING);
  }

  forget(id) {
    this.#counts.delete(id);
  }

  /** One question answers for all changes of a moment. */
  settle() {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#read().catch(() => {}); // the next change or `ready` asks again
    }, SETTLES_MS);
  }

  async #read() {
    const reads = this.#reads;
    const { conversations } = await this.#ask();
    if (reads !== this.#reads) {
      this.settle(); // something was read meanwhile, the answer may be older than that
      return;
    }
    this.#counts = new Map(conversations.map((entry) => [entry.conversation_id, entry]));
    this.#changed();
  }
}

// Who is there: watches the people that the page shows and keeps their last known presence.

/** Their state is asked one by one; beyond this many, the rest shows once it changes. */
const ASK_AT_MOST = 20;

/** Fires `change` events with the user's id. Presence is {user_id, status, last_seen_at}. */
export class Presence extends EventTarget {
  #api;
  #connection;
  #known = new Map();
  #watched = new Set();

  constructor(api, connection) {
    super();
    this.#api = api;
    this.#connection = connection;
    connection.addEventListener("ready", () => this.#watch([...this.#watched]));
    connection.addEventListener("frame", ({ detail: frame }) => {
      if (frame.type === "presence.changed") this.#learn(frame);
    });
  }

  of(userId) {
    return this.#known.get(userId) ?? null;
  }

  /** Adds people to those that are watched. */
  watch(userIds) {
    const added = userIds.filter((id) => !this.#watched.has(id));
    if (added.length === 0) return;
    for (const id of added) this.#watched.add(id);
    if (this.#connection.state === "online") this.#watch(added);
  }

  /** Watching begins before asking, so that a change between the two is not missed. */
  async #watch(asked) {
    if (this.#watched.size === 0) return;
    try {
      await this.#connection.request({ type: "presence.watch", user_ids: [...this.#watched] });
      await Promise.all(asked.slice(0, ASK_AT_MOST).map(async (id) => this.#learn(await this.#api.presence(id))));
    } catch {
      // Presence is a courtesy: without an answer the dots stay as they were, and the next `ready` asks again.
    }
  }

  #learn({ user_id: userId, status, last_seen_at: lastSeenAt }) {
    this.#known.set(userId, { user_id: userId, status, last_seen_at: lastSeenAt });
    this.dispatchEvent(new CustomEvent("change", { detail: userId }));
  }
}

// Who is there: watches the people that the page shows and keeps their last known presence.

/** The server watches this many for one socket; further people show no dot. */
const WATCH_AT_MOST = 500;

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
    const room = WATCH_AT_MOST - this.#watched.size;
    const added = userIds.filter((id) => !this.#watched.has(id)).slice(0, room);
    if (added.length === 0) return;
    for (const id of added) this.#watched.add(id);
    if (this.#connection.state === "online") this.#watch(added);
  }

  /** Watching begins before asking, so that a change between the two is not missed. */
  async #watch(asked) {
    if (this.#watched.size === 0) return;
    try {
      await this.#connection.request({ type: "presence.watch", user_ids: [...this.#watched] });
      const { items } = await this.#api.presence(asked);
      for (const each of items) this.#learn(each);
    } catch {
      // Presence is a courtesy: without an answer the dots stay as they were, and the next `ready` asks again.
    }
  }

  #learn({ user_id: userId, status, last_seen_at: lastSeenAt }) {
    this.#known.set(userId, { user_id: userId, status, last_seen_at: lastSeenAt });
    this.dispatchEvent(new CustomEvent("change", { detail: userId }));
  }
}

// What the page knows of the person's conversations: loaded over REST, kept true by the socket's frames.
//
// Every durable change of a conversation has the next seq. `conversation.seq` is the last one that was applied:
// an older frame is a repetition, a newer one than the next shows a gap, and the server is asked to fill it.

const HISTORY_PAGE = 40;
const SUBSCRIBE_AT_ONCE = 200;
const UNREAD_SETTLES_MS = 1_000;

/**
 * A conversation is the server's view with, besides, `seq`, `messages` (oldest first; null until opened),
 * `hasOlder` and `participants` (Map by user id; null until asked for).
 * Events: `list` (order, badges or previews changed), `conversation` (detail: id), `message` (detail:
 * {conversation, message}: somebody else's words arrived live), `removed` (detail: id).
 */
export class ChatStore extends EventTarget {
  conversations = new Map();
  names = new Map();
  me;
  moreCursor = null;
  #api;
  #connection;
  #outbox;
  #unread = new Map();
  #resuming = new Map();
  #resumes = 0;
  #adopting = new Map();
  #reads = 0;
  #unreadTimer = null;
  #listing = null;

  constructor({ me, api, connection, outbox }) {
    super();
    this.me = me;
    this.#api = api;
    this.#connection = connection;
    this.#outbox = outbox;
    this.names.set(me.id, me.name);
    connection.addEventListener("ready", () => this.#resumeAll());
    connection.addEventListener("frame", ({ detail }) => this.#apply(detail));
    outbox.addEventListener("change", ({ detail }) => this.#changed(detail));
  }

  /** Former members are in no list of participants, so that their names may not be known. */
  nameOf = (userId) => (userId === this.me.id ? "You" : this.names.get(userId) ?? "Former member");

  titleOf = (conversation) =>
    conversation.kind === "direct" ? conversation.peer?.display_name ?? "Former member" : conversation.title;

  /** Most recently active first, of the same moment the newest: the server's own order. */
  get ordered() {
    const place = ({ id, last_message_at: at, created_at: made }) => `${at ?? made} ${id}`;
    return [...this.conversations.values()].sort((a, b) => (place(a) < place(b) ? 1 : -1));
  }

  get totalUnread() {
    return [...this.#unread.values()].reduce((total, count) => total + count, 0);
  }

  unreadOf = (id) => this.#unread.get(id) ?? 0;

  /** The list's first pages again, as many as are shown; one at a time. */
  refreshList() {
    this.#listing ??= this.#readList().finally(() => {
      this.#listing = null;
    });
    return this.#listing;
  }

  async loadMore() {
    this.#admit(await this.#api.conversations(this.moreCursor));
  }

  /** A conversation by id, asked from the server where it is not known yet. */
  async adopt(id) {
    if (this.conversations.has(id)) return this.conversations.get(id);
    if (!this.#adopting.has(id)) {
      const asking = this.#api.conversation(id).then((view) => this.add(view));
      this.#adopting.set(id, asking.finally(() => this.#adopting.delete(id)));
    }
    return this.#adopting.get(id);
  }

  /** Takes a view from the server; a new conversation is resumed from there, as frames may have come meanwhile. */
  add(view) {
    const conversation = this.#merge(view);
    if (!this.#resuming.has(view.id)) this.#resume([conversation]);
    this.#changed(view.id);
    return conversation;
  }

  async loadParticipants(conversation) {
    const found = new Map();
    let cursor = null;
    do {
      const page = await this.#api.participants(conversation.id, cursor);
      for (const participant of page.items) {
        found.set(participant.user_id, participant);
        this.names.set(participant.user_id, participant.display_name);
      }
      cursor = page.next_cursor;
    } while (cursor);
    conversation.participants = found;
    this.#changed(conversation.id);
  }

  async loadHistory(conversation) {
    const older = conversation.messages !== null;
    const beforeSeq = conversation.messages?.[0]?.seq ?? null;
    const page = await this.#api.messages(conversation.id, { limit: HISTORY_PAGE, beforeSeq });
    if (!older) conversation.messages = [];
    for (const message of page.items) this.#place(conversation, message);
    conversation.hasOlder = page.next_cursor !== null;
    this.#changed(conversation.id);
  }

  /** Others' messages up to the newest one were seen. The marker is set back if the server did not hear of it. */
  async markSeen(conversation) {
    const last = conversation.messages?.findLast((message) => message.sender_id !== this.me.id);
    const before = conversation.my.last_read_seq;
    if (!last || last.seq <= before || this.#connection.state !== "online") return;
    this.#reads += 1;
    conversation.my.last_read_seq = last.seq;
    this.#setUnread(conversation.id, 0);
    try {
      await this.#connection.request({ type: "read", conversation_id: conversation.id, seq: last.seq });
    } catch {
      conversation.my.last_read_seq = before;
    }
  }

  /** The server's own view of a message that this person sent. */
  acknowledge(message) {
    const conversation = this.conversations.get(message.conversation_id);
    if (conversation === undefined) return;
    this.#place(conversation, message);
    if (message.seq > (conversation.last_message?.seq ?? 0)) {
      Object.assign(conversation, { last_message: message, last_message_at: message.created_at });
    }
    this.#changed(conversation.id);
  }

  async #readList() {
    const wanted = this.conversations.size;
    const gone = new Set(this.conversations.keys());
    let seen = 0;
    let cursor = null;
    do {
      const page = await this.#api.conversations(cursor);
      for (const view of page.items) gone.delete(view.id);
      this.#admit(page);
      seen += page.items.length;
      cursor = page.next_cursor;
    } while (cursor && seen < wanted);
    if (cursor === null) for (const id of gone) this.#remove(id);
    await this.#readUnread();
  }

  #admit(page) {
    const added = page.items.filter((view) => !this.conversations.has(view.id));
    for (const view of page.items) this.#merge(view);
    this.moreCursor = page.next_cursor;
    this.#resume(added.map((view) => this.conversations.get(view.id)));
    this.dispatchEvent(new Event("list"));
  }

  #merge(view) {
    let conversation = this.conversations.get(view.id);
    if (conversation === undefined) {
      conversation = { ...view, seq: view.last_seq, messages: null, hasOlder: false, participants: null };
      this.conversations.set(view.id, conversation);
    } else {
      // A frame's view lacks what is personal, and a slow answer must not put an older message on top.
      const { my, peer, last_message: lastMessage, last_message_at: lastAt, ...rest } = view;
      Object.assign(conversation, rest, { my: my ?? conversation.my, peer: peer ?? conversation.peer });
      if ((lastAt ?? "") >= (conversation.last_message_at ?? "")) {
        Object.assign(conversation, { last_message: lastMessage ?? conversation.last_message, last_message_at: lastAt });
      }
    }
    if (view.peer) this.names.set(view.peer.user_id, view.peer.display_name);
    if (view.my) this.#unread.set(view.id, view.my.unread);
    return conversation;
  }

  async #resumeAll() {
    this.#resuming.clear();
    this.#resume([...this.conversations.values()]);
    this.#outbox.flush();
    await this.refreshList().catch(() => {}); // the next `ready` reads it again
  }

  /** Asks for everything after what was applied; frames that come before the answer are repeated behind it. */
  #resume(conversations) {
    if (this.#connection.state !== "online") return;
    for (let start = 0; start < conversations.length; start += SUBSCRIBE_AT_ONCE) {
      this.#subscribe(conversations.slice(start, start + SUBSCRIBE_AT_ONCE));
    }
  }

  async #subscribe(batch) {
    const turn = ++this.#resumes;
    for (const { id } of batch) this.#resuming.set(id, turn);
    const wanted = batch.map(({ id, seq }) => ({ id, after_seq: seq }));
    await this.#connection.request({ type: "subscribe", conversations: wanted }).catch(() => {});
    for (const { id } of batch) if (this.#resuming.get(id) === turn) this.#resuming.delete(id);
  }

  #apply(frame) {
    const id = frame.conversation_id ?? frame.message?.conversation_id ?? frame.conversation?.id;
    if (id === undefined) return;
    const conversation = this.conversations.get(id);
    if (frame.type === "unread") {
      this.#setUnread(id, frame.unread);
    } else if (conversation === undefined) {
      this.adopt(id).catch(() => {}); // not a member (any more): nothing to show
    } else if (frame.seq === undefined) {
      this.#applyPassing(conversation, frame);
    } else if (!this.#resuming.has(id) && frame.seq > conversation.seq) {
      if (frame.seq > conversation.seq + 1 && conversation.askedAfter !== conversation.seq) {
        conversation.askedAfter = conversation.seq; // asked once for a gap, so that an unfillable one cannot loop
        this.#resume([conversation]);
        return;
      }
      conversation.seq = frame.seq;
      this.#applyLogged(conversation, frame);
      this.#changed(id);
    }
  }

  #applyLogged(conversation, frame) {
    if (frame.type === "message.new") {
      this.#place(conversation, frame.message);
      conversation.last_message = frame.message;
      conversation.last_message_at = frame.message.created_at;
      if (frame.message.sender_id !== this.me.id) {
        this.#countUnread(conversation, frame.message);
        this.dispatchEvent(new CustomEvent("message", { detail: { conversation, message: frame.message } }));
      }
    } else if (frame.type === "message.updated") {
      this.#replace(conversation, frame.message);
    } else if (frame.type === "message.deleted") {
      const deletedAt = frame.deleted_at ?? new Date().toISOString();
      this.#replace(conversation, { id: frame.message_id, content: "", deleted_at: deletedAt });
      this.#unreadMayHaveChanged();
    }
  }

  #applyPassing(conversation, frame) {
    if (frame.type === "conversation.updated") {
      this.#merge(frame.conversation);
    } else if (frame.type === "participant.changed") {
      if (frame.user_id === this.me.id && frame.role === null) {
        this.#remove(conversation.id);
        return;
      }
      if (conversation.participants) this.loadParticipants(conversation).catch(() => {}); // the old list stays
    } else if (frame.type === "read.updated") {
      if (frame.user_id === this.me.id) {
        conversation.my.last_read_seq = Math.max(conversation.my.last_read_seq, frame.up_to);
        this.#unreadMayHaveChanged();
      }
      const participant = conversation.participants?.get(frame.user_id);
      if (participant) participant.last_read_seq = Math.max(participant.last_read_seq, frame.up_to);
    } else {
      return;
    }
    this.#changed(conversation.id);
  }

  /** Puts a message in its place by seq, or over its older self; a pending one that it answers is done. */
  #place(conversation, message) {
    if (message.sender_id === this.me.id && message.client_id) this.#outbox.remove(message.client_id);
    const list = conversation.messages;
    if (list === null) return;
    const at = list.findLastIndex((other) => other.seq <= message.seq);
    if (at >= 0 && list[at].id === message.id) list[at] = { ...list[at], ...message };
    else list.splice(at + 1, 0, message);
  }

  #replace(conversation, change) {
    const at = conversation.messages?.findIndex((message) => message.id === change.id) ?? -1;
    if (at >= 0) conversation.messages[at] = { ...conversation.messages[at], ...change };
    if (conversation.last_message?.id === change.id) {
      conversation.last_message = { ...conversation.last_message, ...change };
    }
  }

  #setUnread(id, count) {
    this.#unread.set(id, count);
    this.dispatchEvent(new Event("list"));
  }

  /** Counted at once for the eye; while the list is being read anew, its answer counts this message already. */
  #countUnread(conversation, message) {
    const counts = message.type === "text" && message.seq > conversation.my.last_read_seq && this.#listing === null;
    if (counts) this.#setUnread(conversation.id, this.unreadOf(conversation.id) + 1);
    this.#unreadMayHaveChanged();
  }

  /** The server's count is the true one; one question answers for all changes of a moment. */
  #unreadMayHaveChanged() {
    this.#unreadTimer ??= setTimeout(() => {
      this.#unreadTimer = null;
      this.#readUnread().catch(() => {}); // the next change or `ready` asks again
    }, UNREAD_SETTLES_MS);
  }

  async #readUnread() {
    const reads = this.#reads;
    const { conversations } = await this.#api.unread();
    if (reads !== this.#reads) {
      this.#unreadMayHaveChanged(); // something was read meanwhile, the answer may be older than that
      return;
    }
    this.#unread = new Map(conversations.map((entry) => [entry.conversation_id, entry.unread]));
    this.dispatchEvent(new Event("list"));
  }

  #remove(id) {
    this.conversations.delete(id);
    this.#unread.delete(id);
    this.dispatchEvent(new Event("list"));
    this.dispatchEvent(new CustomEvent("removed", { detail: id }));
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("conversation", { detail: id }));
    this.dispatchEvent(new Event("list"));
  }
}

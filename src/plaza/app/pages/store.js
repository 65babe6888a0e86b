// What the page knows of the person's conversations: loaded over REST, kept true by the socket's frames.
//
// Every durable change of a conversation has the next seq. `conversation.seq` is the last one that was applied:
// an older frame is a repetition, a newer one than the next shows a gap, and the server is asked to fill it.

import { Badges } from "./badges.js";
import { everything } from "./chat-api.js";
import { History } from "./history.js";
import { changed } from "./message-list.js";
import { Resuming } from "./resuming.js";

/**
 * A conversation is the server's view with, besides, `seq`, `history` (what is loaded of it) and `participants` (Map by
 * user id; null until asked for).
 * Events: `list` (order, badges or previews changed), `conversation` (detail: id), `message` (detail:
 * {conversation, message}: somebody else's words arrived live), `logged` (detail: {conversation, frame}: an entry of
 * the log, after it was applied), `acknowledged` (detail: {conversation, message}: an own one, as it stands now), `sync` (detail: what of the person's own changed elsewhere), `removed` (detail: id).
 */
export class ChatStore extends EventTarget {
  conversations = new Map();
  names = new Map();
  me;
  moreCursor = null;
  #api;
  #connection;
  #outbox;
  #badges;
  #resuming;
  #adopting = new Map();
  #listing = null;

  constructor({ me, api, connection, outbox }) {
    super();
    this.me = me;
    this.#api = api;
    this.#connection = connection;
    this.#outbox = outbox;
    this.#resuming = new Resuming(connection, (conversation) => this.#lost(conversation));
    this.#badges = new Badges(api.unread, () => this.dispatchEvent(new Event("list")));
    this.names.set(me.id, me.name);
    connection.addEventListener("ready", () => this.#resumeAll());
    connection.addEventListener("frame", ({ detail }) => this.#apply(detail));
    outbox.addEventListener("change", ({ detail }) => this.#changed(detail));
  }

  /** Former members are in no list of participants, so that their names may not be known. */
  nameOf = (userId) => (userId === this.me.id ? "You" : this.names.get(userId) ?? "Former member");

  /** In texts the reader has a name like everybody. */
  nameInText = (userId) => (userId === this.me.id ? this.me.name : this.nameOf(userId));

  titleOf = (conversation) =>
    conversation.kind === "direct" ? conversation.peer?.display_name || "Former member" : conversation.title;

  /** Most recently active first, of the same moment the newest: the server's own order. */
  get ordered() {
    const place = ({ id, last_message_at: at, created_at: made }) => `${at ?? made} ${id}`;
    return [...this.conversations.values()].sort((a, b) => (place(a) < place(b) ? 1 : -1));
  }

  /** Muted conversations count not at all, or where they name the reader: as was chosen. */
  get totalUnread() {
    return this.#badges.total((id) => {
      const conversation = this.conversations.get(id);
      return isMuted(conversation) ? conversation.my.notifications : "all";
    });
  }

  badgeOf = (id) => this.#badges.of(id);

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
    if (!this.#resuming.has(view.id)) this.#resuming.ask([conversation]);
    this.#changed(view.id);
    return conversation;
  }

  /** What this person set or did there, as the server answered. */
  update(view) {
    this.#merge(view);
    this.#changed(view.id);
  }

  async loadParticipants(conversation) {
    const found = await everything((cursor) => this.#api.participants(conversation.id, cursor));
    for (const each of found) this.names.set(each.user_id, each.display_name);
    conversation.participants = new Map(found.map((each) => [each.user_id, each]));
    conversation.participant_count = conversation.participants.size;
    this.#changed(conversation.id);
  }

  /** `which`: latest, older, newer. */
  async loadHistory(conversation, which) {
    await conversation.history[which]();
    this.#changed(conversation.id);
  }

  async loadAround(conversation, seq) {
    await conversation.history.around(seq);
    this.#changed(conversation.id);
  }

  /** Others' messages up to the newest one were seen. The marker is set back if the server did not hear of it. */
  async markSeen(conversation) {
    const { items, hasNewer } = conversation.history;
    const last = hasNewer ? undefined : items?.findLast((message) => message.sender_id !== this.me.id);
    const before = conversation.my.last_read_seq;
    if (!last || last.seq <= before || this.#connection.state !== "online") return;
    conversation.my.last_read_seq = last.seq;
    this.#badges.clear(conversation.id);
    try {
      await this.#connection.request({ type: "read", conversation_id: conversation.id, seq: last.seq });
    } catch {
      conversation.my.last_read_seq = before;
    }
  }

  /** From this message on it is as if nothing had been read. */
  async markUnread(conversation, message) {
    const state = await this.#api.markUnread(conversation.id, message.seq - 1);
    conversation.my.last_read_seq = state.last_read_seq;
    this.#badges.set(conversation.id, state);
  }

  /** The server's own view of a message of this person: sent, edited, or marked. */
  acknowledge(message) {
    const conversation = this.conversations.get(message.conversation_id);
    if (conversation === undefined) return;
    this.#place(conversation, message);
    if (message.seq > (conversation.last_message?.seq ?? 0)) {
      Object.assign(conversation, { last_message: message, last_message_at: message.created_at });
    }
    this.dispatchEvent(new CustomEvent("acknowledged", { detail: { conversation, message } }));
    this.#changed(conversation.id);
  }

  /** Changes what is held of a message, until the server says more of it. */
  touch(message, change) {
    const conversation = this.conversations.get(message.conversation_id);
    conversation?.history.list?.change(message.id, change);
    this.#changed(message.conversation_id);
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
    this.#badges.settle();
  }

  #admit(page) {
    const added = page.items.filter((view) => !this.conversations.has(view.id));
    for (const view of page.items) this.#merge(view);
    this.moreCursor = page.next_cursor;
    this.#resuming.ask(added.map((view) => this.conversations.get(view.id)));
    this.dispatchEvent(new Event("list"));
  }

  #merge(view) {
    let conversation = this.conversations.get(view.id);
    if (conversation === undefined) {
      const history = new History(this.me.id, (span) => this.#api.messages(view.id, span));
      conversation = { ...view, seq: view.last_seq, history, participants: null };
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
    if (view.my) this.#badges.set(view.id, view.my);
    return conversation;
  }

  async #resumeAll() {
    this.#resuming.restart([...this.conversations.values()]);
    this.#outbox.flush();
    await this.refreshList().catch(() => {}); // the next `ready` reads it again
  }

  /** While nobody listened; what else has changed the list may tell. */
  #lost({ id }) {
    if (this.conversations.has(id)) this.#remove(id);
    this.refreshList().catch(() => {}); // so does the next `ready`
  }

  #apply(frame) {
    if (frame.type === "sync") {
      this.dispatchEvent(new CustomEvent("sync", { detail: frame.what }));
      if (frame.what === "mute" || frame.what === "archive") this.refreshList().catch(() => {}); // so does the next `ready`
      return;
    }
    const id = frame.conversation_id ?? frame.message?.conversation_id ?? frame.conversation?.id;
    if (id === undefined) return;
    const conversation = this.conversations.get(id);
    if (frame.type === "unread") {
      this.#badges.set(id, frame);
    } else if (conversation === undefined) {
      if (frame.type !== "typing") this.adopt(id).catch(() => {}); // not a member (any more): nothing to show
    } else if (frame.seq === undefined) {
      this.#applyPassing(conversation, frame);
    } else if (!this.#resuming.has(id) && frame.seq > conversation.seq) {
      if (frame.seq > conversation.seq + 1 && conversation.askedAfter !== conversation.seq) {
        conversation.askedAfter = conversation.seq; // asked once for a gap, so that an unfillable one cannot loop
        this.#resuming.ask([conversation]);
        return;
      }
      conversation.seq = frame.seq;
      this.#applyLogged(conversation, frame);
      this.dispatchEvent(new CustomEvent("logged", { detail: { conversation, frame } }));
      this.#changed(id);
    }
  }

  #applyLogged(conversation, frame) {
    const { history } = conversation;
    if (frame.type === "message.new") {
      const { message } = frame;
      if (message.sender_id === this.me.id) this.#outbox.remove(message.client_id);
      this.#countReply(history, message.parent_id, +1);
      conversation.last_message = message;
      conversation.last_message_at = message.created_at;
      if (message.sender_id !== this.me.id) {
        this.#countUnread(conversation, message);
        this.dispatchEvent(new CustomEvent("message", { detail: { conversation, message } }));
      }
    } else if (frame.type === "message.deleted") {
      const gone = history.find(frame.message_id);
      if (!gone?.deleted_at) this.#countReply(history, gone?.parent_id, -1);
      this.#badges.settle();
    } else if (frame.type === "message.updated" && frame.message.seq > conversation.my.last_read_seq) {
      this.#badges.settle(); // it may name the reader now
    }
    history.hear(frame);
    const last = conversation.last_message;
    if (last?.id === (frame.message_id ?? frame.message.id)) conversation.last_message = changed(last, frame, this.me.id);
  }

  /** Replies take no seq on their root; its count is exact again whenever the thread is opened. */
  #countReply(history, rootId, by) {
    if (rootId) history.list?.change(rootId, (root) => ({ reply_count: Math.max(0, root.reply_count + by) }));
  }

  #applyPassing(conversation, frame) {
    if (frame.type === "conversation.updated") {
      this.#merge(frame.conversation);
    } else if (frame.type === "participant.changed") {
      if (frame.user_id === this.me.id && frame.role === null) {
        this.#remove(conversation.id);
        return;
      }
      if (frame.user_id === this.me.id) conversation.my.role = frame.role;
      if (conversation.participants) this.loadParticipants(conversation).catch(() => {}); // the old list stays
    } else if (frame.type === "read.updated") {
      if (frame.user_id === this.me.id) {
        conversation.my.last_read_seq = Math.max(conversation.my.last_read_seq, frame.up_to);
        this.#badges.settle();
      }
      const participant = conversation.participants?.get(frame.user_id);
      if (participant) participant.last_read_seq = Math.max(participant.last_read_seq, frame.up_to);
    } else {
      return;
    }
    this.#changed(conversation.id);
  }

  /** A pending message that this one answers is done. */
  #place(conversation, message) {
    if (message.sender_id === this.me.id && message.client_id) this.#outbox.remove(message.client_id);
    const { history } = conversation;
    if (history.find(message.id) || !history.hasNewer) history.list?.place(message);
  }

  /** While the list is being read anew, its answer counts this message already. */
  #countUnread(conversation, message) {
    const counts = message.type === "text" && message.seq > conversation.my.last_read_seq && this.#listing === null;
    if (counts) this.#badges.add(conversation.id, { isMention: message.mentions.includes(this.me.id) });
    this.#badges.settle();
  }

  #remove(id) {
    this.conversations.delete(id);
    this.#badges.forget(id);
    this.dispatchEvent(new Event("list"));
    this.dispatchEvent(new CustomEvent("removed", { detail: id }));
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("conversation", { detail: id }));
    this.dispatchEvent(new Event("list"));
  }
}

export const isMuted = (conversation) => Date.parse(conversation?.my.muted_until ?? "") > Date.now();

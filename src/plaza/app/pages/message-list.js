// Messages that are held in the order of their seq, and what the log's entries do to them.

const TOMBSTONE = { content: "", reactions: {}, my_reactions: [], mentions: [], attachments: [], pinned: false };

export class MessageList {
  items = [];
  #me;

  constructor(myId) {
    this.#me = myId;
  }

  find = (id) => this.items.find((message) => message.id === id);

  /** In its place by seq, or over its older self. */
  place(message) {
    const at = this.items.findLastIndex((other) => other.seq <= message.seq);
    if (at >= 0 && this.items[at].id === message.id) this.items[at] = { ...this.items[at], ...message };
    else this.items.splice(at + 1, 0, message);
  }

  /** `how` is what changes, or a function that tells it from the message. */
  change(id, how) {
    const at = this.items.findIndex((message) => message.id === id);
    if (at < 0) return;
    const old = this.items[at];
    this.items[at] = { ...old, ...(typeof how === "function" ? how(old) : how) };
  }

  /** An entry of the log about a message that may be held here. Doing it twice changes nothing. */
  hear(frame) {
    this.change(frame.message_id ?? frame.message.id, (old) => changed(old, frame, this.#me));
  }
}

/** The message after an entry of the log about it. */
export function changed(message, frame, myId) {
  switch (frame.type) {
    case "message.updated":
      return { ...message, ...frame.message }; // without what is personal, which stays as it was
    case "message.deleted":
      return { ...message, ...TOMBSTONE, deleted_at: message.deleted_at ?? new Date().toISOString() };
    case "reaction.changed":
      return { ...message, ...reacted(message, frame, myId) };
    case "pin.changed":
      return { ...message, pinned: frame.pinned };
    default:
      return message;
  }
}

function reacted(old, { emoji, count, added, user_id: userId }, myId) {
  const reactions = { ...old.reactions, [emoji]: count };
  if (count === 0) delete reactions[emoji];
  if (userId !== myId) return { reactions };
  const others = (old.my_reactions ?? []).filter((each) => each !== emoji);
  return { reactions, my_reactions: added ? [...others, emoji] : others };
}

// The rows of an open conversation: day and "new" dividers, system lines, messages joined into runs.

import { clone, part } from "./dom.js";
import { dayKey, dayLabel, messageText, systemText } from "./format.js";
import { messageRow } from "./message-node.js";

/** Messages of one sender within this time are one run: one name, one time. */
const RUN_MS = 5 * 60_000;

/**
 * `messages` are those of the log, `pending` those on their way. `unreadAfter` is the read marker from when the
 * conversation was opened, null for no divider; `seenUpTo` is how far the other one of a direct conversation has read;
 * `isHidden(message)` holds for what blocked people wrote; `live` lets what is new appear gently. `thread` is
 * set where the rows are the replies to one message.
 */
export function messageRows({
  conversation, messages, pending, store, unreadAfter = null, seenUpTo = 0, isHidden, online, live, thread = false,
}) {
  const me = store.me.id;
  const waiting = pending.map((entry) => ({ ...entry, type: "text", sender_id: me, pending: entry }));
  const all = [...messages, ...waiting];
  const lastMine = messages.findLast((message) => message.sender_id === me && message.type === "text");
  const rows = [];
  let divided = unreadAfter === null;
  all.forEach((message, index) => {
    const before = all[index - 1];
    const newDay = !before || dayKey(before.created_at) !== dayKey(message.created_at);
    if (newDay && !thread) rows.push(divider(`day-${dayKey(message.created_at)}`, dayLabel(message.created_at), "day"));
    const firstUnread = !divided && message.type === "text" && message.seq > unreadAfter && message.sender_id !== me;
    if (firstUnread) {
      rows.push(divider("new", "New", "new"));
      divided = true;
    }
    if (message.type === "system") {
      rows.push(systemRow(message, store.nameOf));
      return;
    }
    const mine = message.sender_id === me;
    rows.push(messageRow(message, {
      store,
      mine,
      author: mine || conversation.kind === "direct" ? "" : store.nameOf(message.sender_id),
      quote: thread || !message.parent_id ? null : quoteOf(message.parent_id, conversation, store, isHidden),
      replies: thread ? 0 : message.reply_count ?? 0,
      isHidden: isHidden(message),
      first: newDay || firstUnread || !sameRun(before, message),
      last: !all[index + 1] || !sameRun(message, all[index + 1]),
      isSeen: message === lastMine && message.seq <= seenUpTo,
      online,
      live,
    }));
  });
  return rows;
}

export function peerMarker(conversation) {
  return conversation.participants?.get(conversation.peer?.user_id)?.last_read_seq ?? 0;
}

/** What a reply answers, in short. It stays where it was said, so that nobody has to look for it in threads. */
function quoteOf(rootId, conversation, store, isHidden) {
  const root = conversation.history.find(rootId);
  if (root === undefined || isHidden(root)) return "In a thread";
  return `${store.nameOf(root.sender_id)}: ${messageText(root, store)}`.slice(0, 120);
}

function sameRun(a, b) {
  return a.type === "text" && b.type === "text" && a.sender_id === b.sender_id
    && (a.parent_id ?? null) === (b.parent_id ?? null)
    && new Date(b.created_at) - new Date(a.created_at) < RUN_MS && dayKey(a.created_at) === dayKey(b.created_at);
}

function divider(key, text, kind) {
  return {
    key,
    signature: text,
    make: () => clone("divider-template"),
    update(node) {
      node.dataset.kind = kind;
      part(node, "text").textContent = text;
    },
  };
}

function systemRow(message, nameOf) {
  const text = systemText(message, nameOf);
  return {
    key: message.id,
    signature: text,
    make: () => clone("system-template"),
    update: (node) => {
      node.dataset.messageId = message.id;
      part(node, "text").textContent = text;
    },
  };
}

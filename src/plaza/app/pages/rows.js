// The rows of an open conversation: day and "new" dividers, system lines, messages joined into runs.

import { clone, paintAvatar, part } from "./dom.js";
import { clockTime, dayKey, dayLabel, exactTime, messageText, systemText } from "./format.js";

/** Messages of one sender within this time are one run: one name, one time. */
const RUN_MS = 5 * 60_000;

/**
 * `unreadAfter` is the read marker from when the conversation was opened, null for no divider; `online` words the
 * state of what is still to be sent; `live` lets what is new appear gently.
 */
export function messageRows({ conversation, pending, store, unreadAfter, online, live }) {
  const me = store.me.id;
  const waiting = pending.map((entry) => ({ ...entry, type: "text", sender_id: me, pending: entry }));
  const all = [...conversation.messages, ...waiting];
  const seenUpTo = conversation.kind === "direct" ? peerMarker(conversation) : 0;
  const lastMine = conversation.messages.findLast((message) => message.sender_id === me && message.type === "text");
  const rows = [];
  let divided = unreadAfter === null;
  all.forEach((message, index) => {
    const before = all[index - 1];
    const newDay = !before || dayKey(before.created_at) !== dayKey(message.created_at);
    if (newDay) rows.push(divider(`day-${dayKey(message.created_at)}`, dayLabel(message.created_at), "day"));
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
      mine,
      author: mine || conversation.kind === "direct" ? "" : store.nameOf(message.sender_id),
      text: messageText(message, store.nameOf),
      first: newDay || firstUnread || !sameRun(before, message),
      last: !all[index + 1] || !sameRun(message, all[index + 1]),
      state: stateOf(message, { online, seen: message === lastMine && message.seq <= seenUpTo }),
      live,
    }));
  });
  return rows;
}

function peerMarker(conversation) {
  return conversation.participants?.get(conversation.peer?.user_id)?.last_read_seq ?? 0;
}

function sameRun(a, b) {
  return a.type === "text" && b.type === "text" && a.sender_id === b.sender_id
    && new Date(b.created_at) - new Date(a.created_at) < RUN_MS && dayKey(a.created_at) === dayKey(b.created_at);
}

function stateOf({ pending, edited_at: editedAt, deleted_at: deletedAt }, { online, seen }) {
  if (pending?.state === "failed") return { name: "failed", text: `Not sent. ${pending.problem}` };
  if (pending) return { name: "pending", text: online ? "Sending…" : "Waiting for the connection" };
  if (deletedAt) return { name: "deleted", text: "" };
  return { name: "sent", text: [editedAt && "edited", seen && "seen"].filter(Boolean).join(" · ") };
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
      part(node, "text").textContent = text;
    },
  };
}

function messageRow(message, shown) {
  const { live, ...painted } = shown;
  return {
    // A sent message keeps the node that it had while pending.
    key: shown.mine && message.client_id ? `client-${message.client_id}` : message.id,
    signature: JSON.stringify([painted, message.created_at]),
    make() {
      const node = clone("message-template");
      node.classList.toggle("arriving", live);
      return node;
    },
    update: (node) => paint(node, message, shown),
  };
}

function paint(node, message, { mine, author, text, first, last, state }) {
  node.classList.toggle("mine", mine);
  node.classList.toggle("first", first);
  node.classList.toggle("last", last);
  node.dataset.state = state.name;
  node.dataset.clientId = message.client_id ?? "";
  if (message.id) {
    node.dataset.messageId = message.id;
    node.dataset.seq = String(message.seq);
  }
  const avatar = part(node, "avatar");
  avatar.hidden = author === "";
  if (author && first) paintAvatar(avatar, { name: author });
  const name = part(node, "author");
  name.textContent = mine ? "You" : author;
  name.classList.toggle("visually-hidden", mine || !first);
  part(node, "text").textContent = text;
  const time = part(node, "time");
  time.dateTime = message.created_at;
  time.title = exactTime(message.created_at);
  time.textContent = clockTime(message.created_at);
  part(node, "state").textContent = state.text;
  for (const button of node.querySelectorAll("[data-action]")) button.hidden = state.name !== "failed";
}

// One message as it stands on the page.

import { VEIL } from "./blocks.js";
import { clone, paintAvatar, part } from "./dom.js";
import { clockTime, counted, exactTime, TOMBSTONE } from "./format.js";
import { writeText } from "./rich-text.js";

/** `shown` as `rows.js` makes it. */
export function messageRow(message, shown) {
  const { live, store, online, isSeen, ...look } = shown;
  const state = stateOf(message, { online, isSeen });
  const names = message.content?.includes("<@") ? store.names.size : 0; // a name that was learned later is shown, too
  const { pending, ...said } = message;
  return {
    // A sent message keeps the node that it had while pending.
    key: shown.mine && message.client_id ? `client-${message.client_id}` : message.id,
    signature: JSON.stringify([look, state, said, names]),
    make() {
      const node = clone("message-template");
      node.classList.toggle("arriving", live);
      return node;
    },
    update: (node) => paint(node, message, { ...look, store, state }),
  };
}

function stateOf({ pending, edited_at: editedAt, deleted_at: deletedAt }, { online, isSeen }) {
  if (pending?.state === "failed") return { name: "failed", text: `Not sent. ${pending.problem}` };
  if (pending?.until) return { name: "pending", text: `${pending.problem} ${countdown(pending.until)}` };
  if (pending) return { name: "pending", text: online ? "Sending…" : "Waiting for the connection" };
  if (deletedAt) return { name: "deleted", text: "" };
  return { name: "sent", text: isSeen ? "seen" : "", isEdited: Boolean(editedAt) };
}

function countdown(until) {
  const seconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  return seconds === 0 ? "Sending…" : `Goes out in ${seconds} s.`;
}

function paint(node, message, { mine, author, quote, replies, isHidden, first, last, state, store }) {
  const isHeld = state.name === "sent" || state.name === "deleted";
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
  part(node, "quote").hidden = quote === null || !first;
  part(node, "quote-text").textContent = quote ?? "";
  paintText(part(node, "text"), message, { store, isHidden });
  node.classList.toggle("names-me", !isHidden && (message.mentions ?? []).includes(store.me.id));
  node.classList.toggle("veiled", isHidden);
  part(node, "show").hidden = !isHidden;
  const files = isHidden ? 0 : message.attachments?.length ?? 0;
  part(node, "attachments").hidden = files === 0;
  part(node, "attachments-text").textContent = `${counted(files, "attachment")}: files cannot be shown yet`;
  paintReactions(part(node, "reactions"), isHidden ? {} : message.reactions ?? {}, message.my_reactions ?? []);
  part(node, "replies").hidden = replies === 0;
  part(node, "replies").textContent = counted(replies, "reply", "replies");
  const time = part(node, "time");
  time.dateTime = message.created_at;
  time.title = exactTime(message.created_at);
  time.textContent = clockTime(message.created_at);
  part(node, "edited").hidden = !state.isEdited || isHidden;
  part(node, "pinned").hidden = !message.pinned;
  part(node, "saved").hidden = !message.saved;
  node.classList.toggle("marked", Boolean(state.isEdited || message.pinned || message.saved));
  part(node, "state").textContent = state.text;
  part(node, "actions").hidden = state.name !== "sent" || isHidden;
  for (const button of node.querySelectorAll('[data-action="retry"], [data-action="discard"]')) {
    button.hidden = state.name !== "failed";
  }
  if (!isHeld || state.name === "deleted") node.querySelector(".editor")?.remove(); // there is nothing to edit any more
}

function paintText(node, message, { store, isHidden }) {
  if (isHidden) node.textContent = VEIL;
  else if (message.deleted_at) node.textContent = TOMBSTONE;
  else {
    writeText(node, message.content, {
      nameOf: store.nameInText,
      isMine: (id) => id === store.me.id || (id === "all" && (message.mentions ?? []).includes(store.me.id)),
    });
  }
}

function paintReactions(list, reactions, mine) {
  const given = Object.entries(reactions).filter(([, count]) => count > 0);
  list.hidden = given.length === 0;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.emoji : null;
  list.replaceChildren(...given.map(([emoji, count]) => {
    const item = clone("reaction-template");
    const button = item.querySelector("button");
    const isMine = mine.includes(emoji);
    button.dataset.emoji = emoji;
    button.setAttribute("aria-pressed", String(isMine));
    button.setAttribute("aria-label", `${emoji} ${counted(count, "reaction")}${isMine ? ", yours among them" : ""}`);
    part(item, "emoji").textContent = emoji;
    part(item, "count").textContent = String(count);
    return item;
  }));
  if (focused !== null) [...list.querySelectorAll("button")].find((each) => each.dataset.emoji === focused)?.focus();
}

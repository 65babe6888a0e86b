// What there is to know about one message: its earlier wordings, who reacted, who has got it.

import { ask, hint } from "./ask.js";
import { everything } from "./chat-api.js";
import { exactTime } from "./format.js";
import { writeText } from "./rich-text.js";
import { trying } from "./toast.js";

export const showHistory = (api, message, nameOf) => trying(async () => {
  const { items } = await api.history(message);
  const wordings = [...items, { content: message.content }].map((each, index) => {
    const from = index === 0 ? message.created_at : items[index - 1].edited_at;
    return entry(exactTime(from), (node) => writeText(node, each.content, { nameOf, isMine: () => false }));
  });
  await read({ name: "message-history", title: "Earlier wordings", body: [listOf(wordings)] });
});

export const showReactions = (api, message) => trying(async () => {
  const items = await everything((cursor) => api.reactions(message, cursor));
  const rows = items.map((each) => entry(each.emoji, (node) => {
    node.textContent = each.display_name;
  }));
  await read({ name: "message-reactions", title: "Who reacted", body: [listOf(rows)] });
});

export const showReceipts = (api, message) => trying(async () => {
  const items = await everything((cursor) => api.receipts(message, cursor));
  const rows = items.map((each) => entry(each.read ? "Seen" : each.delivered ? "Delivered" : "Not yet", (node) => {
    node.textContent = each.display_name;
  }));
  const body = rows.length > 0 ? [listOf(rows)] : [hint("Nobody else is here.")];
  await read({ name: "message-receipts", title: "Who has seen it", body });
});

const read = (what) => ask({ ...what, submit: "Close", work: () => true });

function listOf(rows) {
  const list = document.createElement("ul");
  list.className = "details";
  list.append(...rows);
  return list;
}

function entry(label, write) {
  const item = document.createElement("li");
  const text = Object.assign(document.createElement("p"), { className: "details-text" });
  write(text);
  item.append(Object.assign(document.createElement("span"), { className: "hint", textContent: label }), text);
  return item;
}

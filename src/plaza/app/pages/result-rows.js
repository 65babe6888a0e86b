// Messages out of their conversation, each a way back into it: what was found, pinned, or saved.

import { VEIL } from "./blocks.js";
import { clone, part } from "./dom.js";
import { exactTime, listTime, messageText } from "./format.js";

/** `sought` is marked where the text holds it, whatever the case and accents of either; a blocked person's text stays away in groups. */
export function resultRow(message, { store, blocks }, { sought = "", where = "", extra = null } = {}) {
  const row = clone("result-template");
  const link = row.querySelector("a");
  link.href = `#/c/${message.conversation_id}/at/${message.seq}`;
  part(row, "who").textContent = store.nameOf(message.sender_id) + (where ? ` in ${where}` : "");
  const time = part(row, "time");
  time.textContent = listTime(message.created_at);
  time.dateTime = message.created_at;
  time.title = exactTime(message.created_at);
  const isHidden = blocks.hides(message, store.conversations.get(message.conversation_id));
  row.classList.toggle("veiled", isHidden);
  part(row, "text").append(...(isHidden ? [VEIL] : marked(messageText(message, store), sought)));
  if (extra !== null) row.append(extra);
  return row;
}

const BEFORE = 60; // characters shown before the first match
const AROUND = 220;

function marked(text, sought) {
  const found = matches(text, sought);
  const from = found.length > 0 && found[0][0] > BEFORE ? found[0][0] - BEFORE / 2 : 0;
  const to = Math.min(text.length, from + AROUND);
  const parts = [from > 0 ? "…" : ""];
  let at = from;
  for (const [start, end] of found) {
    if (start < at || end > to) continue;
    parts.push(text.slice(at, start), Object.assign(document.createElement("mark"), { textContent: text.slice(start, end) }));
    at = end;
  }
  parts.push(text.slice(at, to), to < text.length ? "…" : "");
  return parts.filter((each) => each !== "");
}

/** Places of `sought` in `text`, [start, end): both without case and accents, as the server compares them. */
function matches(text, sought) {
  const needle = folded(sought).join("");
  if (needle === "") return [];
  const letters = folded(text);
  const places = letters.flatMap((letter, index) => Array(letter.length).fill(index));
  const hay = letters.join("");
  const ends = text.length;
  const found = [];
  for (let at = hay.indexOf(needle); at >= 0; at = hay.indexOf(needle, at + needle.length)) {
    found.push([places[at], places[at + needle.length] ?? ends]);
  }
  return found;
}

/** One entry for each UTF-16 unit, so that places can be told: '' for a mark on the letter before it. */
const folded = (text) => Array.from({ length: text.length }, (_, at) =>
  text[at].normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase());

// Mentions: `<@user_id>` in what is stored, `@Name` in what is being written.

import { plainText } from "./rich-text.js";

/** What a field shows of a stored text. */
export const toNames = (content, nameOf) => plainText(content, nameOf);

/** What is stored of a written text: the longest name wins, where two have the same name the one that was `chosen` (ids). */
export function toIds(text, people, chosen = new Set()) {
  const named = [...people].sort((a, b) =>
    b.name.length - a.name.length || Number(chosen.has(b.id)) - Number(chosen.has(a.id)));
  let written = "";
  for (let at = 0; at < text.length;) {
    const person = text[at] === "@" ? named.find(({ name }) => isNamed(text, at + 1, name)) : undefined;
    written += person ? `<@${person.id}>` : text[at];
    at += person ? person.name.length + 1 : 1;
  }
  return written;
}

function isNamed(text, at, name) {
  const behind = text.slice(at + name.length, at + name.length + 1);
  return name !== "" && text.startsWith(name, at) && !/[\p{L}\p{N}]/u.test(behind);
}

/** Who may be mentioned in a conversation: {id, name, hint}. Everybody at once only by those who run the group. */
export function mentionable(conversation, me) {
  const people = [...(conversation.participants?.values() ?? [])]
    .filter((each) => each.joined_at && each.user_id !== me.id)
    .map((each) => ({ id: each.user_id, name: each.display_name, hint: each.role === "member" ? "" : each.role }));
  const runsIt = conversation.kind === "group" && conversation.my.role !== "member";
  return runsIt ? [...people, { id: "all", name: "all", hint: "everybody in the group" }] : people;
}

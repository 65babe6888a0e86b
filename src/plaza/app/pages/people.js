// What one person may do about another: block, and tell the staff.

import { ask } from "./ask.js";
import { toast, trying } from "./toast.js";

export function peopleActions({ api, store, blocks }) {
  const report = (what, title, text) => ask({
    name: "report",
    title,
    text,
    fields: [{ name: "reason", label: "What is the matter?", maxlength: 1000, autocomplete: "off" }],
    submit: "Report",
    async work({ reason }) {
      await api.report({ ...what, reason });
      toast("Thank you. People who look after Plaza will look at it.");
    },
  });

  const unblock = (userId) => trying(async () => {
    await blocks.unblock(userId);
    toast(`${store.nameOf(userId)} is no longer blocked.`);
  });

  const block = (userId) => ask({
    name: "block",
    title: `Block ${store.nameOf(userId)}?`,
    text: "No direct messages will pass between you, and in groups what they write is hidden until you ask for it. They are not told.",
    submit: "Block",
    danger: true,
    work: () => blocks.block(userId),
  });

  return {
    isBlocked: blocks.has,
    unblock,
    toggleBlock: (userId) => (blocks.has(userId) ? unblock(userId) : block(userId)),
    reportMessage: (message) => report(
      { message_id: message.id }, "Report this message?", "Its text goes to those who look after Plaza. Its author is not told who reported it.",
    ),
    reportPerson: (userId) => report(
      { user_id: userId }, `Report ${store.nameOf(userId)}?`, "This goes to those who look after Plaza. They are not told who reported them.",
    ),
  };
}

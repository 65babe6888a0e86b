// What can be done with a message: from its buttons, its menu, and its reactions.

import { ask } from "./ask.js";
import { pickEmoji } from "./emoji-picker.js";
import { openMenu } from "./menu.js";
import { editMessage, isEditable } from "./message-editor.js";
import { mentionable, toIds, toNames } from "./mentions.js";
import { messageText } from "./format.js";
import { showHistory, showReactions, showReceipts } from "./message-details.js";
import { toast, trying } from "./toast.js";

/**
 * `list` holds the messages' nodes, `find(id)` gives what is known of one. `reveal(id)` shows one of somebody blocked.
 * `afterwards()` puts the focus where writing goes on. Gives {editLast(messages)}: whether the own last one was to be edited.
 */
export function mountMessageActions({
  store, api, outbox, people, go, list, find, conversation, reveal, afterwards, signal, thread = false,
}) {
  const nodeOf = (id) => list.querySelector(`[data-message-id="${CSS.escape(id)}"]`);

  function edit(id) {
    const message = find(id);
    const node = nodeOf(id);
    if (!message || !node || message.deleted_at) return false; // gone while the menu was open
    const persons = mentionable(conversation(), store.me);
    const ids = new Set(message.mentions);
    node.classList.add("editing");
    editMessage(node, toNames(message.content, store.nameInText), {
      save: async (text) => store.acknowledge(await api.edit(message, toIds(text, persons, ids))),
      done() {
        node.classList.remove("editing");
        afterwards();
      },
    });
    return true;
  }

  function editLast(messages) {
    const mine = messages?.findLast((each) => each.sender_id === store.me.id && each.type === "text" && !each.deleted_at);
    return mine !== undefined && isEditable(mine, api.now()) && edit(mine.id);
  }

  const react = (message, emoji) => trying(async () => {
    if ((message.my_reactions ?? []).includes(emoji)) await api.unreact(message, emoji);
    else await api.react(message, emoji);
  });

  const pin = (message) => trying(async () => {
    await (message.pinned ? api.unpin(message) : api.pin(message));
    store.touch(message, { pinned: !message.pinned });
  });

  const save = (message) => trying(async () => {
    await (message.saved ? api.forget(message) : api.save(message));
    store.touch(message, { saved: !message.saved });
    toast(message.saved ? "Removed from what you saved." : "Saved: you find it in the menu at your name.");
  });

  const remove = (message) => ask({
    name: "delete-message",
    title: "Delete this message?",
    text: `“${messageText(message, store).slice(0, 200)}” will be gone for everybody. That it was there stays to be seen.`,
    submit: "Delete",
    danger: true,
    work: () => api.remove(message),
  });

  async function copy(message) {
    await navigator.clipboard.writeText(toNames(message.content, store.nameInText));
    toast("Copied.");
  }

  function more(anchor, message) {
    const isMine = message.sender_id === store.me.id;
    const { kind, my } = conversation();
    const runsIt = kind === "group" && my.role !== "member";
    const isPersons = !isMine && message.sender_id !== null;
    openMenu(anchor, "More about this message", [
      isMine && isEditable(message, api.now()) && { label: "Edit", testId: "action-edit", work: () => edit(message.id) },
      { label: message.pinned ? "Unpin" : "Pin for everybody", testId: "action-pin", work: () => pin(message) },
      { label: message.saved ? "Remove from saved" : "Save for later", testId: "action-save", work: () => save(message) },
      { label: "Copy text", testId: "action-copy", work: () => trying(() => copy(message)) },
      Object.keys(message.reactions ?? {}).length > 0
        && { label: "Who reacted", testId: "action-reactions", work: () => showReactions(api, message) },
      isMine && { label: "Who has seen it", testId: "action-receipts", work: () => showReceipts(api, message) },
      !isMine && !thread && {
        label: "Mark unread from here",
        testId: "action-unread",
        work: () => trying(async () => {
          const from = conversation();
          go(""); // or it would be read again at once
          await store.markUnread(from, message);
        }),
      },
      isPersons && { label: "Report…", testId: "action-report", work: () => people.reportMessage(message) },
      isPersons && {
        label: people.isBlocked(message.sender_id) ? "Unblock sender" : "Block sender…",
        testId: "action-block",
        work: () => people.toggleBlock(message.sender_id),
      },
      (isMine || runsIt) && { label: "Delete…", testId: "action-delete", danger: true, work: () => remove(message) },
    ]);
  }

  const openThread = (message) => go(`c/${message.conversation_id}/thread/${message.parent_id ?? message.id}`);

  list.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-action]");
    const row = target.closest(".message");
    if (button === null || row === null) return;
    const { clientId, messageId } = row.dataset;
    const message = messageId ? find(messageId) : null;
    switch (button.dataset.action) {
      case "retry": return outbox.retry(clientId);
      case "discard": return outbox.remove(clientId);
      case "show": return reveal(messageId);
      case "react": return message && pickEmoji(button, (emoji) => react(message, emoji));
      case "toggle": return message && react(message, button.dataset.emoji);
      case "thread": return message && openThread(message);
      case "history": return message && showHistory(api, message, store.nameInText);
      case "more": return message && more(button, message);
    }
  }, { signal });
  list.addEventListener("contextmenu", (event) => {
    const more = event.target.closest(".message")?.querySelector('[data-action="more"]');
    const isTouch = event.pointerType === "touch";
    if (!more || !isTouch || more.closest("[hidden]")) return;
    event.preventDefault();
    more.click();
  }, { signal });

  return { editLast };
}

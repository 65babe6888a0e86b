// The list of conversations, with the badges, the own name and the menu.

import { byId, clone, paintAvatar, part, reconcile } from "./dom.js";
import { exactTime, listTime, messageText } from "./format.js";
import { batched } from "./schedule.js";

const TITLE = "Plaza";

export function mountSidebar({ store, presence, signal }) {
  const list = byId("conversations");
  const more = byId("list-more");
  let current = null;
  let loaded = false;

  paintAvatar(byId("me-avatar"), store.me);
  byId("me-name").textContent = store.me.name;
  byId("menu-email").textContent = store.me.email ?? store.me.phone ?? "";
  placeMenu(signal);

  const render = batched(() => {
    if (signal.aborted) return;
    const conversations = store.ordered;
    presence.watch(conversations.filter((each) => each.peer).map((each) => each.peer.user_id));
    reconcile(list, conversations.map((each) => row(each)));
    byId("list-empty").hidden = !loaded || conversations.length > 0;
    more.hidden = store.moreCursor === null;
    showCount(byId("total-unread"), store.totalUnread);
    document.title = store.totalUnread > 0 ? `(${store.totalUnread}) ${TITLE}` : TITLE;
  });

  function row(conversation) {
    const name = store.titleOf(conversation);
    const last = conversation.last_message;
    const shown = {
      name,
      preview: last ? preview(conversation, last) : "No messages yet",
      at: conversation.last_message_at ?? conversation.created_at,
      unread: store.unreadOf(conversation.id),
      status: conversation.peer ? presence.of(conversation.peer.user_id)?.status ?? null : null,
      current: conversation.id === current,
    };
    return {
      key: conversation.id,
      signature: JSON.stringify([shown, listTime(shown.at)]),
      make: () => clone("conversation-template"),
      update: (node) => paint(node, conversation, shown),
    };
  }

  function preview(conversation, message) {
    const text = messageText(message, store.nameOf);
    if (message.type === "system") return text;
    if (message.sender_id === store.me.id) return `You: ${text}`;
    if (conversation.kind === "direct") return text;
    if (store.names.has(message.sender_id)) return `${store.nameOf(message.sender_id)}: ${text}`;
    if (!conversation.participants) store.loadParticipants(conversation).catch(() => {}); // the text alone will do
    return text;
  }

  async function load() {
    byId("list-error").hidden = true;
    try {
      await store.refreshList();
      loaded = true;
    } catch (error) {
      byId("list-error-text").textContent = error.message;
      byId("list-error").hidden = store.conversations.size > 0;
    }
    render();
  }

  more.addEventListener("click", async () => {
    more.disabled = true;
    await store.loadMore().catch(() => {}); // the button stays, to be pressed again
    more.disabled = false;
  }, { signal });
  byId("list-retry").addEventListener("click", load, { signal });
  store.addEventListener("list", () => {
    loaded = true;
    byId("list-error").hidden = true;
    render();
  }, { signal });
  presence.addEventListener("change", render, { signal });
  signal.addEventListener("abort", () => {
    list.replaceChildren();
    document.title = TITLE;
  });
  load();

  return {
    /** Marks the conversation that is open; null for none. */
    select(id) {
      current = id;
      render();
    },
    focus(id) {
      const link = id && list.querySelector(`[data-key="${CSS.escape(id)}"] a`);
      (link || byId("list-title")).focus();
    },
  };
}

function paint(node, conversation, { name, preview, at, unread, status, current }) {
  const link = node.querySelector("a");
  link.href = `#/c/${conversation.id}`;
  link.dataset.conversationId = conversation.id;
  link.classList.toggle("unread", unread > 0);
  if (current) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
  paintAvatar(part(node, "avatar"), { name, group: conversation.kind !== "direct" });
  part(node, "name").textContent = name;
  part(node, "preview").textContent = preview;
  part(node, "time").textContent = listTime(at);
  part(node, "time").dateTime = at;
  part(node, "time").title = exactTime(at);
  part(node, "unread-label").textContent = unread === 0 ? "" : `${unread} unread`;
  showCount(part(node, "unread"), unread);
  const dot = part(node, "presence");
  dot.hidden = status === null || status === "offline" || status === "invisible";
  dot.dataset.status = status ?? "";
}

function showCount(badge, count) {
  badge.hidden = count === 0;
  badge.textContent = count > 999 ? "999+" : String(count);
}

/** A popover lies in the top layer, so its place below the button is worked out when it opens. */
function placeMenu(signal) {
  const menu = byId("menu");
  menu.addEventListener("beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    const { left, bottom } = byId("menu-button").getBoundingClientRect();
    menu.style.left = `${left}px`;
    menu.style.top = `${bottom + 6}px`;
  }, { signal });
  menu.addEventListener("click", ({ target }) => {
    if (target.closest("a, button")) menu.hidePopover();
  }, { signal });
}

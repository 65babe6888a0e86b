// The list of conversations, with the badges, the own name and the menu.

import { VEIL } from "./blocks.js";
import { byId, clone, paintAvatar, part, reconcile } from "./dom.js";
import { counted, exactTime, listTime, messageText, typingText } from "./format.js";
import { plainText } from "./rich-text.js";
import { batched } from "./schedule.js";
import { isMuted } from "./store.js";

const TITLE = "Plaza";

export function mountSidebar({ store, presence, drafts, typing, blocks, signal }) {
  const list = byId("conversations");
  const archived = byId("archived");
  const archiveToggle = byId("archive-toggle");
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
    const away = conversations.filter((each) => each.my.archived_at);
    reconcile(list, conversations.filter((each) => !each.my.archived_at).map((each) => row(each)));
    reconcile(archived, away.map((each) => row(each)));
    archiveToggle.hidden = away.length === 0;
    archiveToggle.textContent = `Archived (${away.length})`;
    archived.hidden = away.length === 0 || archiveToggle.getAttribute("aria-expanded") === "false";
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
      ...preview(conversation, last),
      at: conversation.last_message_at ?? conversation.created_at,
      ...store.badgeOf(conversation.id),
      isMuted: isMuted(conversation),
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

  /** {kind, preview}: what somebody writes, what is left to be sent, or the newest message. */
  function preview(conversation, last) {
    const writing = typing.in(conversation.id).filter((id) => !blocks.has(id));
    if (writing.length > 0) {
      const text = conversation.kind === "direct" ? "typing…" : typingText(writing.map(store.nameOf));
      return { kind: "typing", preview: text };
    }
    const draft = conversation.id === current ? "" : drafts.of(conversation.id);
    if (draft !== "") return { kind: "draft", preview: plainText(draft, store.nameInText) };
    return { kind: "message", preview: last ? newest(conversation, last) : "No messages yet" };
  }

  function newest(conversation, message) {
    const text = messageText(message, store);
    if (message.type === "system") return text;
    if (message.sender_id === store.me.id) return `You: ${text}`;
    if (conversation.kind === "direct") return text;
    if (blocks.has(message.sender_id)) return VEIL;
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
  for (const source of [presence, drafts, typing, blocks]) source.addEventListener("change", render, { signal });
  archiveToggle.addEventListener("click", () => {
    const isOpen = archiveToggle.getAttribute("aria-expanded") === "true";
    archiveToggle.setAttribute("aria-expanded", String(!isOpen));
    render();
  }, { signal });
  signal.addEventListener("abort", () => {
    list.replaceChildren();
    archived.replaceChildren();
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
      const link = id && list.querySelector(`[data-key="${CSS.escape(id)}"] a`); // an archived one may be folded away
      (link || byId("list-title")).focus();
    },
  };
}

function paint(node, conversation, { name, kind, preview, at, unread, mentions, isMuted: muted, status, current }) {
  const link = node.querySelector("a");
  link.href = `#/c/${conversation.id}`;
  link.dataset.conversationId = conversation.id;
  link.classList.toggle("unread", unread > 0);
  link.classList.toggle("muted", muted);
  if (current) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
  paintAvatar(part(node, "avatar"), { name, group: conversation.kind !== "direct" });
  part(node, "name").textContent = name;
  part(node, "muted").hidden = !muted;
  part(node, "draft").textContent = kind === "draft" ? "Draft: " : "";
  part(node, "preview-text").textContent = preview;
  part(node, "preview").dataset.kind = kind;
  part(node, "time").textContent = listTime(at);
  part(node, "time").dateTime = at;
  part(node, "time").title = exactTime(at);
  const named = mentions > 0 ? `, ${counted(mentions, "mention")} of you` : "";
  part(node, "unread-label").textContent = unread === 0 ? "" : `${unread} unread${named}`;
  showCount(part(node, "unread"), unread);
  part(node, "mentions").hidden = mentions === 0;
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
    if (target.closest("a, button:not([role])")) menu.hidePopover();
  }, { signal });
}

// The open conversation: its head, its history, and the composer.

import { announce, byId, paintAvatar, reconcile } from "./dom.js";
import { messageText, presenceText } from "./format.js";
import { messageRows } from "./rows.js";
import { batched } from "./schedule.js";

/** Closer to the end than this counts as being at the end. */
const AT_END_PX = 48;
const LOAD_OLDER_PX = 240;
const NOTHING_OPEN = "Pick a conversation, or start a new one.";

export function mountThread({ store, outbox, presence, connection, signal }) {
  const scroller = byId("scroller");
  const messages = byId("messages");
  const jump = byId("jump");
  const composer = mountComposer({ send: (content) => {
    atEnd = true;
    outbox.add(open.id, content);
  }, signal });
  let open = null;
  let unreadAfter = null;
  let atEnd = true;
  let newBelow = false;
  let loading = false;
  let failure = null;
  let painted = { id: null, oldest: null };

  const render = batched(() => {
    if (open === null || signal.aborted) return;
    paintHead();
    if (open.messages !== null) paintMessages();
    paintHistoryState();
    jump.hidden = atEnd;
    jump.firstChild.textContent = newBelow ? "New messages " : "Latest messages ";
    seen();
  });

  function paintHead() {
    const name = store.titleOf(open);
    const direct = open.kind === "direct";
    byId("thread-title").textContent = name;
    paintAvatar(byId("thread-avatar"), { name, group: !direct });
    const status = direct && open.peer ? presence.of(open.peer.user_id) : null;
    byId("presence").hidden = status === null;
    if (status) {
      byId("presence").dataset.status = status.status;
      byId("presence-text").textContent = presenceText(status);
    }
    byId("thread-members").hidden = direct;
    byId("thread-members").textContent = direct ? "" : members(open, store);
  }

  function paintMessages() {
    const oldest = open.messages[0]?.seq ?? null;
    const same = painted.id === open.id;
    const grewUpwards = same && painted.oldest !== null && oldest < painted.oldest;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    reconcile(messages, messageRows({
      conversation: open,
      pending: outbox.of(open.id),
      store,
      unreadAfter,
      online: connection.state === "online",
      live: same && !grewUpwards,
    }));
    painted = { id: open.id, oldest };
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    else if (grewUpwards) scroller.scrollTop = scroller.scrollHeight - fromEnd;
    if (scroller.scrollHeight <= scroller.clientHeight) loadOlder();
  }

  function paintHistoryState() {
    const state = byId("history-state");
    const words = loading ? "Loading…" : open.messages === null || open.hasOlder ? "" : "This is where the conversation begins.";
    if (failure === null) {
      state.textContent = words;
      return;
    }
    const retry = document.createElement("button");
    retry.className = "link";
    retry.type = "button";
    retry.textContent = "Try again";
    retry.addEventListener("click", load);
    state.replaceChildren(`${failure} `, retry);
  }

  async function load() {
    if (loading) return;
    const conversation = open;
    loading = true;
    failure = null;
    render();
    try {
      await store.loadHistory(conversation);
    } catch (error) {
      if (open === conversation) failure = error.message;
    }
    loading = false;
    render();
    if (open !== null && open !== conversation && open.messages === null) load();
  }

  function loadOlder() {
    if (open?.messages && open.hasOlder && failure === null) load();
  }

  function seen() {
    if (open !== null && atEnd && document.visibilityState === "visible") store.markSeen(open);
  }

  function toEnd() {
    atEnd = true;
    newBelow = false;
    scroller.scrollTop = scroller.scrollHeight;
    render();
  }

  scroller.addEventListener("scroll", () => {
    const now = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END_PX;
    if (now !== atEnd) {
      atEnd = now;
      if (atEnd) newBelow = false;
      render();
    }
    if (scroller.scrollTop < LOAD_OLDER_PX) loadOlder();
  }, { signal, passive: true });

  // A keyboard that opens, a longer draft or a turned phone must not push the newest message out of sight.
  const sizes = new ResizeObserver(() => {
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  });
  sizes.observe(scroller);
  signal.addEventListener("abort", () => {
    sizes.disconnect();
    messages.replaceChildren();
  });

  jump.addEventListener("click", () => {
    toEnd();
    composer.focus();
  }, { signal });
  messages.addEventListener("click", ({ target }) => {
    const clientId = target.closest("[data-client-id]")?.dataset.clientId;
    if (target.dataset.action === "retry") outbox.retry(clientId);
    if (target.dataset.action === "discard") outbox.remove(clientId);
  }, { signal });
  store.addEventListener("conversation", ({ detail: id }) => {
    if (id === open?.id) render();
  }, { signal });
  store.addEventListener("message", ({ detail: { conversation, message } }) => {
    const from = message.type === "system" ? "" : `${store.nameOf(message.sender_id)}: `;
    const where = conversation.id === open?.id ? "" : `In ${store.titleOf(conversation)}: `;
    announce(`${where}${from}${messageText(message, store.nameOf)}`);
    if (conversation.id === open?.id && !atEnd) newBelow = true;
  }, { signal });
  presence.addEventListener("change", ({ detail: id }) => {
    if (id === open?.peer?.user_id) render();
  }, { signal });
  connection.addEventListener("state", render, { signal });
  connection.addEventListener("ready", () => {
    if (failure !== null) load();
  }, { signal });
  document.addEventListener("visibilitychange", seen, { signal });

  return {
    open(conversation) {
      if (open?.id === conversation.id) return;
      composer.switchTo(conversation.id);
      open = conversation;
      unreadAfter = store.unreadOf(conversation.id) > 0 ? conversation.my.last_read_seq : null;
      atEnd = true;
      newBelow = false;
      failure = null;
      messages.replaceChildren();
      painted = { id: null, oldest: null };
      byId("thread-none").hidden = true;
      byId("thread-open").hidden = false;
      if (conversation.messages === null) load();
      if (!conversation.participants) store.loadParticipants(conversation).catch(() => {}); // names come with a later try
      if (conversation.peer) presence.watch([conversation.peer.user_id]);
      render();
    },
    close(text = NOTHING_OPEN) {
      composer.switchTo(null);
      open = null;
      byId("thread-open").hidden = true;
      byId("thread-none").hidden = false;
      byId("thread-none").querySelector("p").textContent = text;
    },
    focusComposer: () => composer.focus(),
  };
}

function members(conversation, store) {
  if (!conversation.participants) return `${conversation.participant_count} people`;
  const others = [...conversation.participants.keys()].filter((id) => id !== store.me.id).map(store.nameOf);
  return [...others, "you"].join(", ");
}

/** The text field grows with its text and keeps an unsent draft for each conversation. */
function mountComposer({ send, signal }) {
  const form = byId("composer");
  const field = byId("composer-text");
  const button = form.querySelector("button");
  const touch = matchMedia("(pointer: coarse)");
  const drafts = new Map();
  let current = null;

  function fit() {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
    button.disabled = field.value.trim() === "";
  }

  field.addEventListener("input", fit, { signal });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || touch.matches) return;
    event.preventDefault();
    form.requestSubmit();
  }, { signal });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const content = field.value.trim();
    if (content === "") return;
    field.value = "";
    fit();
    field.focus();
    send(content);
  }, { signal });

  return {
    switchTo(id) {
      if (current !== null) drafts.set(current, field.value);
      current = id;
      field.value = drafts.get(id) ?? "";
      fit();
    },
    focus: () => field.focus(),
  };
}

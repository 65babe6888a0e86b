// The open conversation: its history, read in both directions, and its composer.

import { mountComposer } from "./composer.js";
import { mountConversationHead } from "./conversation-head.js";
import { announce, byId, reconcile } from "./dom.js";
import { messageText, typingText } from "./format.js";
import { mountMessageActions } from "./message-actions.js";
import { mountMessageFocus } from "./message-focus.js";
import { messageRows, peerMarker } from "./rows.js";
import { batched, delayed } from "./schedule.js";
import { mountScheduled } from "./scheduled.js";

/** Closer to the end than this counts as being at the end. */
const AT_END_PX = 48;
const LOAD_MORE_PX = 240;
const NOTHING_OPEN = "Pick a conversation, or start a new one.";
const COUNTDOWN_MS = 1_000;

const holds = (history, seq) => history.items?.some((message) => message.seq === seq) ?? false;

export function mountThread(parts) {
  const { store, outbox, drafts, typing, blocks, connection, signal } = parts;
  const scroller = byId("scroller");
  const messages = byId("messages");
  const jump = byId("jump");
  const head = mountConversationHead(parts, () => open);
  const focus = mountMessageFocus(messages, signal);
  const revealed = new Set();
  let open = null;
  let unreadAfter = null;
  let atEnd = true;
  let newBelow = false;
  let loading = false;
  let failure = null;
  let painted = { id: null, oldest: null };
  let wanted = null;

  const composer = mountComposer(byId("composer"), {
    store,
    signal,
    conversation: () => open,
    async send(content) {
      const { id, history } = open;
      outbox.add(id, content);
      typing.stop(id);
      drafts.keep(id);
      if (history.hasNewer) await load("latest");
      toEnd();
    },
    written(text) {
      drafts.write(open.id, text);
      if (text.trim() === "") typing.stop(open.id);
      else typing.say(open.id);
    },
    onUp: () => actions.editLast(open.history.items),
  });
  const actions = mountMessageActions({
    ...parts,
    list: messages,
    find: (id) => open?.history.find(id),
    conversation: () => open,
    reveal(id) {
      revealed.add(id);
      render();
    },
    afterwards: () => composer.focus(),
  });
  const scheduled = mountScheduled(parts, { conversation: () => open, composer });

  const isHidden = (message) => blocks.hides(message, open) && !revealed.has(message.id);

  const render = batched(() => {
    if (open === null || signal.aborted) return;
    head.paint();
    if (open.history.items !== null) paintMessages();
    paintHistoryState();
    paintTyping();
    paintComposer();
    scheduled.paint();
    jump.hidden = atEnd && !open.history.hasNewer;
    jump.firstChild.textContent = newBelow ? "New messages " : "Latest messages ";
    seen();
  });
  const countDown = delayed(render, COUNTDOWN_MS);

  function paintMessages() {
    const { items, hasNewer } = open.history;
    const pending = hasNewer ? [] : outbox.of(open.id);
    const oldest = items[0]?.seq ?? null;
    const same = painted.id === open.id;
    const grewUpwards = same && painted.oldest !== null && oldest < painted.oldest;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    reconcile(messages, messageRows({
      conversation: open,
      messages: items,
      pending,
      store,
      unreadAfter,
      seenUpTo: open.kind === "direct" ? peerMarker(open) : 0,
      isHidden,
      online: connection.state === "online",
      live: same && !grewUpwards,
    }));
    focus.refresh();
    painted = { id: open.id, oldest };
    if (wanted !== null && !loading) showWanted();
    else if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    else if (grewUpwards) scroller.scrollTop = scroller.scrollHeight - fromEnd;
    if (scroller.scrollHeight <= scroller.clientHeight) loadMore();
    if (pending.some((each) => each.until)) countDown();
  }

  /** After a jump: the message in the middle, and marked for a moment. */
  function showWanted() {
    const row = [...messages.children].find((each) => Number(each.dataset.seq) >= wanted);
    wanted = null;
    if (!row) return;
    row.scrollIntoView({ block: "center" });
    for (const each of messages.querySelectorAll(".found")) each.classList.remove("found");
    row.classList.add("found");
    focus.to(row);
  }

  function paintHistoryState() {
    const state = byId("history-state");
    const { items, hasOlder } = open.history;
    const words = loading ? "Loading…" : items === null || hasOlder ? "" : "This is where the conversation begins.";
    if (failure === null) {
      state.textContent = words;
      return;
    }
    const retry = document.createElement("button");
    retry.className = "link";
    retry.type = "button";
    retry.textContent = "Try again";
    retry.addEventListener("click", () => load(failure.which));
    state.replaceChildren(`${failure.text} `, retry);
  }

  function paintTyping() {
    const people = typing.in(open.id).filter((id) => open.kind === "direct" || !blocks.has(id));
    byId("typing").textContent = typingText(people.map(store.nameOf));
  }

  /** Where nothing may be written, it is said instead. */
  function paintComposer() {
    const peer = open.kind === "direct" ? open.peer : null;
    const isBlocked = peer !== null && peer !== undefined && blocks.has(peer.user_id);
    const isReadOnly = open.kind === "group" && open.posting === "admins" && open.my.role === "member";
    byId("composer").hidden = isBlocked || isReadOnly;
    byId("composer-note").hidden = !isBlocked && !isReadOnly;
    byId("composer-note-text").textContent = isBlocked
      ? `You blocked ${store.titleOf(open)}: no messages pass between you.`
      : "Only those who run this group can write here.";
    byId("composer-unblock").hidden = !isBlocked;
  }

  /** `which`: latest, older, newer, or a seq to load around. */
  async function load(which) {
    if (loading) return;
    const conversation = open;
    loading = true;
    failure = null;
    render();
    try {
      if (typeof which === "number") await store.loadAround(conversation, which);
      else await store.loadHistory(conversation, which);
    } catch (error) {
      if (open === conversation) failure = { text: error.message, which };
    }
    loading = false;
    render();
    if (open === null || open === conversation) return;
    const isMissing = wanted !== null && !holds(open.history, wanted);
    if (isMissing || open.history.items === null) load(wanted ?? "latest");
  }

  function loadMore() {
    if (open === null || open.history.items === null || failure !== null) return;
    const { hasOlder, hasNewer } = open.history;
    if (hasOlder && scroller.scrollTop < LOAD_MORE_PX) load("older");
    else if (hasNewer && fromEnd() < LOAD_MORE_PX) load("newer");
  }

  const fromEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

  function seen() {
    if (open !== null && atEnd && document.visibilityState === "visible") store.markSeen(open);
  }

  function toEnd() {
    atEnd = true;
    newBelow = false;
    scroller.scrollTop = scroller.scrollHeight;
    render();
  }

  function leaveText() {
    if (open === null) return;
    drafts.keep(open.id);
    typing.stop(open.id);
  }

  scroller.addEventListener("scroll", () => {
    const now = fromEnd() < AT_END_PX && open?.history.hasNewer === false;
    if (now !== atEnd) {
      atEnd = now;
      if (atEnd) newBelow = false;
      render();
    }
    loadMore();
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

  jump.addEventListener("click", async () => {
    if (open.history.hasNewer) await load("latest");
    toEnd();
    composer.focus();
  }, { signal });
  byId("composer-unblock").addEventListener("click", () => parts.people.unblock(open.peer.user_id), { signal });
  store.addEventListener("conversation", ({ detail: id }) => {
    if (id === open?.id) render();
  }, { signal });
  store.addEventListener("message", ({ detail: { conversation, message } }) => {
    if (conversation.kind === "group" && blocks.has(message.sender_id)) return;
    const from = message.type === "system" ? "" : `${store.nameOf(message.sender_id)}: `;
    const where = conversation.id === open?.id ? "" : `In ${store.titleOf(conversation)}: `;
    announce(`${where}${from}${messageText(message, store)}`);
    if (conversation.id === open?.id && !atEnd) newBelow = true;
  }, { signal });
  drafts.addEventListener("change", ({ detail: id }) => {
    if (id === open?.id) composer.show(drafts.of(id));
  }, { signal });
  typing.addEventListener("change", ({ detail: id }) => {
    if (id === open?.id) render();
  }, { signal });
  for (const [source, event] of [[parts.presence, "change"], [blocks, "change"], [connection, "state"]]) {
    source.addEventListener(event, render, { signal });
  }
  connection.addEventListener("ready", () => {
    if (failure !== null) load(failure.which);
  }, { signal });
  document.addEventListener("visibilitychange", seen, { signal });

  return {
    /** `seq` jumps to a message in its history. */
    open(conversation, seq = null) {
      const { history } = conversation;
      if (open?.id !== conversation.id) {
        leaveText();
        open = conversation;
        unreadAfter = store.badgeOf(conversation.id).unread > 0 ? conversation.my.last_read_seq : null;
        atEnd = true;
        newBelow = false;
        failure = null;
        messages.replaceChildren();
        painted = { id: null, oldest: null };
        byId("thread-none").hidden = true;
        byId("thread-open").hidden = false;
        composer.show(drafts.of(conversation.id));
        if (!conversation.participants) store.loadParticipants(conversation).catch(() => {}); // names come with a later try
        if (conversation.peer) parts.presence.watch([conversation.peer.user_id]);
      }
      wanted = seq;
      if (seq !== null) atEnd = false;
      if (seq !== null && !holds(history, seq)) load(seq);
      else if (seq === null && (history.items === null || (painted.id === null && history.hasNewer))) load("latest");
      render();
    },
    close(text = NOTHING_OPEN) {
      leaveText();
      open = null;
      byId("thread-open").hidden = true;
      byId("thread-none").hidden = false;
      byId("thread-none").querySelector("p").textContent = text;
    },
    focusComposer: () => composer.focus(),
  };
}

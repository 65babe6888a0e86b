// A thread: one message and everything that was said in answer to it.

import { mountComposer } from "./composer.js";
import { byId, reconcile } from "./dom.js";
import { Replies } from "./history.js";
import { mountMessageActions } from "./message-actions.js";
import { changed } from "./message-list.js";
import { mountMessageFocus } from "./message-focus.js";
import { messageRows } from "./rows.js";
import { batched, delayed } from "./schedule.js";

const COUNTDOWN_MS = 1_000;

export function mountRepliesPanel(parts) {
  const { store, api, outbox, blocks, typing, connection, replyDrafts, signal } = parts;
  const rootList = byId("thread-root");
  const list = byId("thread-replies");
  const scroller = byId("thread-scroller");
  const focus = mountMessageFocus(list, signal);
  const revealed = new Set();
  let conversation = null;
  let root = null;
  let replies = null;
  let problem = "";
  let atEnd = true;

  const composer = mountComposer(byId("reply"), {
    store,
    signal,
    conversation: () => conversation,
    send(content) {
      atEnd = true;
      outbox.add(conversation.id, content, root.id);
      typing.stop(conversation.id);
    },
    written(text) {
      replyDrafts.write(root.id, text);
      if (text.trim() !== "") typing.say(conversation.id);
    },
    onUp: () => actions.editLast(replies.items),
  });
  const acting = {
    ...parts,
    conversation: () => conversation,
    find: (id) => (id === root?.id ? root : replies?.find(id)),
    reveal(id) {
      revealed.add(id);
      render();
    },
    afterwards: () => composer.focus(),
    thread: true,
  };
  const actions = mountMessageActions({ ...acting, list });
  mountMessageActions({ ...acting, list: rootList });
  const rootFocus = mountMessageFocus(rootList, signal);

  const isHidden = (message) => blocks.hides(message, conversation) && !revealed.has(message.id);

  const render = batched(() => {
    if (conversation === null || signal.aborted) return;
    const shared = { conversation, store, isHidden, online: connection.state === "online", thread: true };
    if (root !== null) reconcile(rootList, messageRows({ ...shared, messages: [root], pending: [], live: false }));
    const pending = root === null ? [] : outbox.of(conversation.id).filter((each) => each.parent_id === root.id);
    const messages = replies?.items ?? [];
    reconcile(list, messageRows({ ...shared, messages, pending, live: replies?.items !== null }));
    focus.refresh();
    rootFocus.refresh();
    byId("thread-state").textContent = problem || (replies?.items === null ? "Loading…" : messages.length + pending.length === 0 ? "No replies yet." : "");
    byId("reply").hidden = byId("composer").hidden || root === null;
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
    if (pending.some((each) => each.until)) countDown();
  });
  const countDown = delayed(render, COUNTDOWN_MS);

  async function load(rootId) {
    const mine = replies;
    const text = replyDrafts.of(rootId);
    try {
      if (text.includes("<@") && !conversation.participants) {
        await store.loadParticipants(conversation); // or those whom it mentions would have no names
        if (mine !== replies) return;
        composer.show(text);
      }
      root = conversation.history.find(rootId) ?? await api.message(conversation.id, rootId);
      render();
      await mine.all((cursor) => api.replies(root, cursor));
      if (mine !== replies) return;
      const count = mine.items.filter((each) => !each.deleted_at).length;
      store.touch(root, { reply_count: count });
    } catch (error) {
      if (mine === replies) problem = error.message;
    }
    render();
  }

  function hear(frame) {
    replies.hear(frame);
    const about = frame.message_id ?? frame.message?.id;
    if (root !== null && about === root.id) {
      root = conversation.history.find(root.id) ?? changed(root, frame, store.me.id);
    }
    render();
  }

  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48;
  }, { signal, passive: true });
  store.addEventListener("logged", ({ detail }) => {
    if (detail.conversation === conversation) hear(detail.frame);
  }, { signal });
  store.addEventListener("acknowledged", ({ detail: { message } }) => {
    if (message.conversation_id !== conversation?.id) return;
    if (message.parent_id === root?.id) replies.list?.place(message);
    if (message.id === root?.id) root = { ...root, ...message };
    render();
  }, { signal });
  store.addEventListener("conversation", ({ detail: id }) => {
    if (id !== conversation?.id) return;
    root = (root && conversation.history.find(root.id)) ?? root;
    render();
  }, { signal });
  blocks.addEventListener("change", render, { signal });
  connection.addEventListener("state", render, { signal });
  connection.addEventListener("ready", () => {
    if (root !== null && problem !== "") {
      problem = "";
      load(root.id);
    }
  }, { signal });

  return {
    title: "Thread",
    open(where, rootId) {
      conversation = where;
      root = null;
      problem = "";
      atEnd = true;
      replies = new Replies(store.me.id, rootId);
      rootList.replaceChildren();
      list.replaceChildren();
      composer.show(replyDrafts.of(rootId));
      load(rootId);
    },
    close() {
      typing.stop(conversation.id);
      conversation = null;
      root = null;
      rootList.replaceChildren();
      list.replaceChildren();
    },
  };
}

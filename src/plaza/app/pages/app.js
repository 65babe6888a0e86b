// Where the page begins: restores the session, shows one screen, and wires the logged-in parts together.

import { Api, isWaiting } from "./api.js";
import { mountAuth, takeLink } from "./auth.js";
import { Blocks } from "./blocks.js";
import { chatApi } from "./chat-api.js";
import { byId } from "./dom.js";
import { Drafts } from "./drafts.js";
import { mountEmojiPicker } from "./emoji-picker.js";
import { mountInvites, takeInvite } from "./invites.js";
import { walkable } from "./menu.js";
import { mountNewConversation } from "./new-conversation.js";
import { mountNews } from "./news.js";
import { Outbox } from "./outbox.js";
import { mountOwnPresence } from "./own-presence.js";
import { mountPanel } from "./panel.js";
import { peopleActions } from "./people.js";
import { mountPeoplePanel } from "./people-panel.js";
import { mountPinsPanel } from "./pins-panel.js";
import { Presence } from "./presence.js";
import { mountRepliesPanel } from "./replies-panel.js";
import { ReplyDrafts } from "./reply-drafts.js";
import { go, route } from "./route.js";
import { mountSaved } from "./saved.js";
import { mountSearch } from "./search.js";
import { mountSidebar } from "./sidebar.js";
import { RealtimeConnection } from "./socket.js";
import { ChatStore } from "./store.js";
import { mountThread } from "./thread.js";
import { toast } from "./toast.js";
import { Typing } from "./typing.js";

const CONNECTION_TEXT = {
  connecting: "Connecting…",
  online: "Online",
  reconnecting: "Reconnecting…",
  displaced: "Paused",
  stopped: "Offline",
};
/** A short loss shows at the own name only; the banner is for what lasts. */
const BANNER_AFTER_MS = { reconnecting: 400, connecting: 2_500, displaced: 0 };
const START_RETRY_MS = 2_000;
const START_RETRY_MOST_MS = 30_000;

/** `/?separate` is a window of its own, whose person is not the one of the browser's other windows. */
const isSeparate = new URLSearchParams(location.search).has("separate");
const api = new Api({ separate: isSeparate });
const demoPeople = api.demo();
const providers = api.providers();
let auth = null;
let demo = null;
let leave = () => {};

function showScreen(name) {
  for (const screen of ["start", "auth", "chat"]) byId(`screen-${screen}`).hidden = screen !== name;
  byId("skip").hidden = name !== "chat";
}

async function start() {
  takeInvite();
  const link = takeLink();
  const user = link === null ? await restore() : null;
  demo = await demoPeople;
  auth = mountAuth({ api, demo, providers: await providers, onLogin: enter });
  if (user !== null) {
    enter(user);
    return;
  }
  showScreen("auth");
  await (link === null ? auth.open() : auth.follow(link));
}

/** Asks until the server answers: a reload during a restart must not log anybody out. */
async function restore() {
  for (let wait = START_RETRY_MS; ; wait = Math.min(wait * 2, START_RETRY_MOST_MS)) {
    try {
      return await api.restore();
    } catch (error) {
      byId("start-text").textContent = `${error.message} Trying again…`;
      const pause = Math.max(wait * (0.75 + Math.random() / 2), (error.retryAfter ?? 0) * 1000);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** Who waits has only their profile, which is on the account page. A window of its own has no session there. */
function wait() {
  if (!isSeparate) {
    location.replace("/account");
    return;
  }
  leave();
  api.forget();
  auth.open("You are on the waitlist: please come back in a few hours.");
}

function enter(user) {
  if (isWaiting(user)) {
    wait();
    return;
  }
  const name = user.display_name || user.username || user.email || user.phone;
  const me = { id: user.id, name, email: user.email, phone: user.phone };
  const lifetime = new AbortController();
  const { signal } = lifetime;
  const chat = chatApi(api);
  const connection = new RealtimeConnection({ ticket: () => api.socketTicket(), renew: () => api.renew() });
  const outbox = new Outbox(me.id, async ({ conversation_id, client_id, parent_id, content }) => {
    const ack = await connection.request({ type: "message.send", conversation_id, client_id, parent_id, content });
    store.acknowledge(ack.message);
  });
  const store = new ChatStore({ me, api: chat, connection, outbox });
  const known = { api: chat, connection, store };
  const presence = new Presence(chat, connection);
  const blocks = new Blocks(known);
  const drafts = new Drafts(known);
  const replyDrafts = new ReplyDrafts(me.id);
  const typing = new Typing(connection, store);
  const people = peopleActions({ ...known, blocks });

  showScreen("chat");
  showConnection(connection, signal);
  mountNews({ connection, signal });
  mountEmojiPicker(signal);
  walkable(byId("context-menu"), signal);
  const parts = { ...known, outbox, presence, blocks, drafts, replyDrafts, typing, people, go, lookup: api.lookup, signal };
  const search = mountSearch(parts);
  const sidebar = mountSidebar(parts);
  const thread = mountThread({ ...parts, search });
  const views = { thread: mountRepliesPanel(parts), people: mountPeoplePanel(parts), pins: mountPinsPanel(parts) };
  const panel = mountPanel({ views, go, signal });
  mountSaved(parts);
  mountInvites(parts);
  mountOwnPresence(parts);
  route({ store, sidebar, thread, panel, signal });
  mountNewConversation({
    api: { lookup: api.lookup, createConversation: chat.createConversation }, store, demo, signal,
    onCreated(view) {
      store.add(view);
      go(`c/${view.id}`);
    },
  });
  byId("screen-chat").addEventListener("click", ({ target }) => {
    const isClip = target.closest('[data-action="attach"]');
    if (isClip) toast("Files cannot be attached yet: that comes with the place where they are kept.");
  }, { signal });
  byId("menu-second").hidden = demo === null;
  byId("menu-outbox").hidden = demo === null;
  byId("logout").addEventListener("click", async () => {
    outbox.clear();
    replyDrafts.clear();
    connection.stop(); // or the end of the session, which the socket hears of first, would look like somebody else's doing
    await api.logout().catch(() => {}); // out of reach or over already: it ends here in any case
    location.hash = "#/";
    leave("You are logged out.");
  }, { signal });

  leave = (notice) => {
    leave = () => {};
    lifetime.abort();
    connection.stop();
    api.forget();
    panel.close();
    thread.close();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    showScreen("auth");
    auth.open(notice);
  };
  api.addEventListener("ended", ({ detail }) => leave(detail), { signal });
  api.addEventListener("waitlisted", wait, { signal });
  connection.addEventListener("unadmitted", wait, { signal });
  connection.addEventListener("ended", ({ detail }) => leave(detail), { signal });
  connection.start();
}

function showConnection(connection, signal) {
  const banner = byId("banner");
  const action = byId("banner-action");
  let timer = null;

  function render() {
    const { state } = connection;
    byId("connection").dataset.state = state;
    byId("connection-text").textContent = CONNECTION_TEXT[state];
    clearTimeout(timer);
    if (!(state in BANNER_AFTER_MS)) {
      banner.hidden = true;
      return;
    }
    timer = setTimeout(() => {
      banner.dataset.state = state;
      banner.hidden = false;
      action.hidden = state === "connecting";
      action.textContent = state === "displaced" ? "Use this window" : "Try now";
      byId("banner-text").textContent = state === "displaced"
        ? "Plaza is open in many windows, so this one is paused."
        : CONNECTION_TEXT[state];
    }, banner.hidden ? BANNER_AFTER_MS[state] : 0);
  }

  connection.addEventListener("state", render, { signal });
  action.addEventListener("click", () => connection.reconnectNow(), { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    banner.hidden = true;
  });
  render();
}

start();

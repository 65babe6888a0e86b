// Where the page begins: restores the session, shows one screen, and wires the logged-in parts together.

import { Api } from "./api.js";
import { mountAuth, takeLink } from "./auth.js";
import { byId } from "./dom.js";
import { mountNewConversation } from "./new-conversation.js";
import { Outbox } from "./outbox.js";
import { Presence } from "./presence.js";
import { mountSidebar } from "./sidebar.js";
import { RealtimeConnection } from "./socket.js";
import { ChatStore } from "./store.js";
import { mountThread } from "./thread.js";

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
const api = new Api({ separate: new URLSearchParams(location.search).has("separate") });
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

function enter(user) {
  const name = user.display_name || user.username || user.email || user.phone;
  const me = { id: user.id, name, email: user.email, phone: user.phone };
  const lifetime = new AbortController();
  const { signal } = lifetime;
  const connection = new RealtimeConnection(() => api.socketTicket());
  const outbox = new Outbox(me.id, async ({ conversation_id, client_id, content }) => {
    const ack = await connection.request({ type: "message.send", conversation_id, client_id, content });
    store.acknowledge(ack.message);
  });
  const store = new ChatStore({ me, api, connection, outbox });
  const presence = new Presence(api, connection);

  showScreen("chat");
  showConnection(connection, signal);
  const parts = { store, outbox, presence, connection, signal };
  const sidebar = mountSidebar(parts);
  const thread = mountThread(parts);
  const go = route({ store, sidebar, thread, signal });
  mountNewConversation({
    api, store, demo, signal,
    onCreated(view) {
      store.add(view);
      go(view.id);
    },
  });
  byId("menu-second").hidden = demo === null;
  byId("menu-outbox").hidden = demo === null;
  byId("logout").addEventListener("click", async () => {
    outbox.clear();
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
    thread.close();
    showScreen("auth");
    auth.open(notice);
  };
  api.addEventListener("ended", ({ detail }) => leave(detail), { signal });
  connection.addEventListener("ended", ({ detail }) => leave(detail), { signal });
  connection.start();
}

/** The address names what is open (`#/c/<id>`), so that back, reload and a bookmark work. */
function route({ store, sidebar, thread, signal }) {
  const wide = matchMedia("(min-width: 760px)");
  let shown = null;

  async function follow({ focus = true } = {}) {
    const id = /^#\/c\/([\w-]+)$/u.exec(location.hash)?.[1] ?? null;
    const before = shown;
    shown = id;
    sidebar.select(id);
    byId("screen-chat").dataset.pane = id === null ? "list" : "thread";
    if (id === null) {
      thread.close();
      if (focus) sidebar.focus(before);
      return;
    }
    try {
      const conversation = await store.adopt(id);
      if (shown !== id || signal.aborted) return;
      thread.open(conversation);
      if (focus && wide.matches) thread.focusComposer();
      else if (focus) byId("thread-title").focus();
    } catch (error) {
      if (shown === id) closeWith(error.message);
    }
  }

  function closeWith(text) {
    history.replaceState(null, "", "#/");
    follow();
    thread.close(text);
  }

  addEventListener("hashchange", () => follow(), { signal });
  store.addEventListener("removed", ({ detail: id }) => {
    if (id === shown) closeWith("You are no longer part of that conversation.");
  }, { signal });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("thread").focus();
  }, { signal });
  follow();

  return (id) => {
    location.hash = `#/c/${id}`;
  };
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

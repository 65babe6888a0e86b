// The address names what is open, so that back, reload and a bookmark work: `#/c/<id>`, and behind that
// `/at/<seq>` for a place in its history, or a panel: `/thread/<message id>`, `/people`, `/pins`.

import { byId } from "./dom.js";

const ADDRESS = /^#\/c\/([\w-]+)(?:\/(at|thread|people|pins)(?:\/([\w-]+))?)?$/u;

export const go = (path) => {
  location.hash = `#/${path}`;
};

export function route({ store, sidebar, thread, panel, signal }) {
  const wide = matchMedia("(min-width: 760px)");
  let shown = null;

  async function follow({ focus = true } = {}) {
    const [, id = null, part = null, argument = null] = ADDRESS.exec(location.hash) ?? [];
    const before = shown;
    shown = id;
    sidebar.select(id);
    byId("screen-chat").dataset.pane = id === null ? "list" : "thread";
    if (id === null) {
      panel.close();
      thread.close();
      if (focus) sidebar.focus(before);
      return;
    }
    try {
      const conversation = await store.adopt(id);
      if (shown !== id || signal.aborted) return;
      show(conversation, part, argument, focus);
    } catch (error) {
      if (shown === id) closeWith(error.message);
    }
  }

  function show(conversation, part, argument, focus) {
    const isPanel = part !== null && part !== "at";
    const isJump = part === "at" && /^\d+$/u.test(argument ?? "");
    thread.open(conversation, isJump ? Number(argument) : null);
    if (isPanel) panel.open(part, conversation, argument);
    else panel.close();
    if (!focus || isJump) return;
    if (isPanel) panel.focus();
    else if (wide.matches) thread.focusComposer();
    else byId("thread-title").focus();
  }

  function closeWith(text) {
    history.replaceState(null, "", "#/");
    follow();
    thread.close(text);
  }

  addEventListener("hashchange", () => follow(), { signal });
  // Following the same address again, for a message that was found before, is a wish to see it again.
  document.addEventListener("click", ({ target }) => {
    const link = target.closest?.('a[href^="#/c/"]');
    if (link && link.getAttribute("href") === location.hash) follow();
  }, { signal });
  store.addEventListener("removed", ({ detail: id }) => {
    if (id === shown) closeWith("You are no longer part of that conversation.");
  }, { signal });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("thread").focus();
  }, { signal });
  follow();
}

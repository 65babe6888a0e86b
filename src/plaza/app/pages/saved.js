// What the person saved to find it again, in the place of the list.

import { byId } from "./dom.js";
import { resultRow } from "./result-rows.js";
import { trying } from "./toast.js";

export function mountSaved({ store, api, blocks, signal }) {
  const sidebar = byId("sidebar");
  const list = byId("saved");
  const more = byId("saved-more");
  let cursor = null;

  async function read() {
    cursor = null;
    list.replaceChildren();
    await next();
    byId("saved-state").textContent = list.children.length === 0 ? "Nothing yet. Save a message from its menu, and it waits here for you alone." : "";
  }

  const next = () => trying(async () => {
    const page = await api.saved(cursor);
    await Promise.all([...new Set(page.items.map((each) => each.conversation_id))].map(async (id) => {
      const conversation = await store.adopt(id);
      if (!conversation.participants) await store.loadParticipants(conversation).catch(() => {}); // the text alone will do
    }));
    list.append(...page.items.map((message) => resultRow(message, { store, blocks }, {
      where: store.titleOf(store.conversations.get(message.conversation_id)),
      extra: forgetButton(message),
    })));
    cursor = page.next_cursor;
    more.hidden = cursor === null;
  });

  function forgetButton(message) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "link small", textContent: "Remove" });
    button.dataset.testid = "saved-remove";
    button.addEventListener("click", () => trying(async () => {
      await api.forget(message);
      store.touch(message, { saved: false });
    }));
    return button;
  }

  /** The marks at messages, after something was saved or removed on another device. */
  async function mark() {
    const { items, next_cursor: rest } = await api.saved();
    const saved = new Set(items.map((each) => each.id));
    for (const { history } of store.conversations.values()) {
      for (const message of history.items ?? []) {
        const isSaved = saved.has(message.id) || (Boolean(message.saved) && rest !== null);
        if (isSaved !== Boolean(message.saved)) store.touch(message, { saved: isSaved });
      }
    }
  }

  const isOpen = () => sidebar.dataset.view === "saved";

  function turn(isOn) {
    sidebar.dataset.view = isOn ? "saved" : "list";
    byId("saved-view").hidden = !isOn;
    if (isOn) read();
  }

  byId("menu-saved").addEventListener("click", () => {
    turn(true);
    byId("saved-title").focus();
  }, { signal });
  byId("saved-close").addEventListener("click", () => {
    turn(false);
    byId("list-title").focus();
  }, { signal });
  byId("search").addEventListener("input", () => {
    if (isOpen()) turn(false);
  }, { signal });
  more.addEventListener("click", next, { signal });
  store.addEventListener("sync", ({ detail }) => {
    if (detail !== "saved") return;
    mark().catch(() => {}); // the next change tells it again
    if (isOpen()) read();
  }, { signal });
  blocks.addEventListener("change", () => {
    if (isOpen()) read();
  }, { signal });
  signal.addEventListener("abort", () => turn(false));
}

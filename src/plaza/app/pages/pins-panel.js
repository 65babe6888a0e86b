// What is pinned in a conversation, for everybody in it.

import { byId } from "./dom.js";
import { resultRow } from "./result-rows.js";
import { trying } from "./toast.js";

export function mountPinsPanel({ store, api, blocks, signal }) {
  const list = byId("pins");
  let conversation = null;

  async function load() {
    const where = conversation;
    let items;
    try {
      ({ items } = await api.pins(where.id));
    } catch (error) {
      byId("pins-state").textContent = error.message;
      return;
    }
    if (where !== conversation) return;
    byId("pins-state").textContent = items.length === 0 ? "Nothing is pinned yet. Everybody here can pin a message from its menu." : "";
    list.replaceChildren(...items.map((message) => resultRow(message, { store, blocks }, { extra: unpinButton(message) })));
  }

  function unpinButton(message) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "link small", textContent: "Unpin" });
    button.dataset.testid = "unpin";
    button.addEventListener("click", () => trying(() => api.unpin(message)));
    return button;
  }

  store.addEventListener("logged", ({ detail: { conversation: where, frame } }) => {
    const matters = ["pin.changed", "message.updated", "message.deleted"].includes(frame.type);
    if (where === conversation && matters) load();
  }, { signal });
  blocks.addEventListener("change", () => {
    if (conversation !== null) load();
  }, { signal });

  return {
    title: "Pinned messages",
    open(where) {
      conversation = where;
      list.replaceChildren();
      byId("pins-state").textContent = "Loading…";
      load();
    },
    close() {
      conversation = null;
    },
  };
}

// The dialog that finds people and starts a conversation: one person makes it direct, more make it a group.

import { byId, clone, part } from "./dom.js";

/** `onCreated(view)` gets the server's conversation. `demo` people are offered in development. */
export function mountNewConversation({ api, store, demo, onCreated, signal }) {
  const dialog = byId("new-dialog");
  const input = byId("lookup-input");
  const titleInput = byId("group-title");
  const submit = byId("new-submit");
  const chosen = new Map();

  function render() {
    const group = chosen.size > 1;
    byId("chosen").replaceChildren(...[...chosen.values()].map((card) => chip({
      name: card.display_name,
      mark: "×",
      label: `Remove ${card.display_name}`,
      testId: "chosen-person",
      onClick() {
        chosen.delete(card.id);
        render();
        input.focus();
      },
    })));
    suggest();
    byId("new-title-field").hidden = !group;
    submit.disabled = chosen.size === 0 || (group && titleInput.value.trim() === "");
    submit.textContent = group ? "Start group" : "Start conversation";
  }

  function fail(id, text) {
    byId(id).textContent = text;
    byId(id).hidden = text === "";
  }

  async function add(text) {
    fail("lookup-error", "");
    try {
      const card = await api.lookup(text);
      if (card.id === store.me.id) {
        fail("lookup-error", "That is you. Who would you like to write to?");
        return;
      }
      chosen.set(card.id, card);
      input.value = "";
      render();
    } catch (error) {
      const nobody = error.code === "USER_NOT_FOUND";
      fail("lookup-error", nobody ? "Nobody was found by exactly that. Please check the spelling." : error.message);
    }
    input.focus();
  }

  function suggest() {
    const taken = new Set([...chosen.values()].map((card) => card.display_name));
    const people = (demo?.people ?? []).filter(
      (person) => person.email !== store.me.email && !taken.has(person.display_name),
    );
    byId("suggestions").hidden = people.length === 0;
    byId("suggestion-list").replaceChildren(...people.map((person) => chip({
      name: person.display_name,
      mark: "+",
      label: `Add ${person.display_name}`,
      testId: "suggestion",
      onClick: () => add(person.email),
    })));
  }

  byId("new-button").addEventListener("click", () => {
    chosen.clear();
    input.value = "";
    titleInput.value = "";
    fail("lookup-error", "");
    fail("new-error", "");
    render();
    dialog.showModal();
    input.focus();
  }, { signal });
  byId("new-close").addEventListener("click", () => dialog.close(), { signal });
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close(); // the backdrop; everything inside lies in a child
  }, { signal });
  titleInput.addEventListener("input", render, { signal });
  signal.addEventListener("abort", () => dialog.close());

  byId("lookup-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text !== "") add(text);
  }, { signal });

  byId("new-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    fail("new-error", "");
    const group = chosen.size > 1;
    const body = { kind: group ? "group" : "direct", member_ids: [...chosen.keys()] };
    try {
      const view = await api.createConversation(group ? { ...body, title: titleInput.value.trim() } : body);
      dialog.close();
      onCreated(view);
    } catch (error) {
      fail("new-error", error.message);
    }
    render();
  }, { signal });
}

function chip({ name, mark, label, testId, onClick }) {
  const item = clone("chip-template");
  const button = item.querySelector("button");
  part(item, "name").textContent = name;
  part(item, "mark").textContent = mark;
  button.setAttribute("aria-label", label);
  button.dataset.testid = testId;
  button.addEventListener("click", onClick);
  return item;
}

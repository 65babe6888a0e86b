// Search, in the place of the list: conversations by their names, messages by their words, in any script.

import { byId, clone, paintAvatar, part } from "./dom.js";
import { counted } from "./format.js";
import { resultRow } from "./result-rows.js";

const SETTLES_MS = 250;
const SHORTEST = 2;
const NAMES_AT_MOST = 5;

export function mountSearch({ store, api, blocks, signal }) {
  const input = byId("search");
  const results = byId("search-results");
  const state = byId("search-state");
  const more = byId("search-more");
  const scope = byId("search-scope");
  let within = null;
  let cursor = null;
  let timer = null;
  let turn = 0;
  let groups = new Map();
  let found = 0;

  const sought = () => input.value.trim();

  function show() {
    const isOn = sought() !== "" || within !== null;
    byId("sidebar").dataset.view = isOn ? "search" : "list";
    byId("search-view").hidden = !isOn;
    byId("search-clear").hidden = !isOn;
    scope.hidden = within === null;
    part(scope, "name").textContent = within === null ? "" : `In ${store.titleOf(within)}`;
    scope.setAttribute("aria-label", within === null ? "" : `Search everywhere, not only in ${store.titleOf(within)}`);
  }

  function changed() {
    clearTimeout(timer);
    turn += 1;
    show();
    timer = setTimeout(restart, SETTLES_MS);
  }

  async function restart() {
    cursor = null;
    groups = new Map();
    found = 0;
    more.hidden = true;
    results.replaceChildren();
    if (sought() === "") {
      state.textContent = "";
      return;
    }
    if (within === null) showNames();
    if ([...sought()].length < SHORTEST) {
      state.textContent = "Two characters at least.";
      return;
    }
    state.textContent = "Searching…";
    await next();
  }

  async function next() {
    const mine = ++turn;
    try {
      const page = await api.search(sought(), { conversationId: within?.id ?? null, cursor });
      await learn(page.items);
      if (mine !== turn) return;
      cursor = page.next_cursor;
      for (const message of page.items) groupOf(message).append(resultRow(message, { store, blocks }, { sought: sought() }));
      found += page.items.length;
      more.hidden = cursor === null;
      state.textContent = found === 0 ? "No message holds this." : `${counted(found, "message")}${cursor ? ", and more" : ""}`;
    } catch (error) {
      if (mine === turn) state.textContent = error.message;
    }
  }

  /** Titles and names of whatever is not in the list yet. */
  async function learn(messages) {
    const ids = [...new Set(messages.map((each) => each.conversation_id))];
    await Promise.all(ids.map(async (id) => {
      const conversation = await store.adopt(id);
      if (!conversation.participants) await store.loadParticipants(conversation).catch(() => {}); // the text alone will do
    }));
  }

  function groupOf({ conversation_id: id }) {
    if (groups.has(id)) return groups.get(id);
    const group = clone("result-group-template");
    part(group, "name").textContent = store.titleOf(store.conversations.get(id));
    results.append(group);
    groups.set(id, part(group, "items"));
    return groups.get(id);
  }

  function showNames() {
    const word = sought().toLocaleLowerCase();
    const named = store.ordered.filter((each) => store.titleOf(each).toLocaleLowerCase().includes(word));
    if (named.length === 0) return;
    const group = clone("result-group-template");
    part(group, "name").textContent = "Conversations";
    part(group, "items").append(...named.slice(0, NAMES_AT_MOST).map((conversation) => {
      const row = clone("found-conversation-template");
      row.querySelector("a").href = `#/c/${conversation.id}`;
      part(row, "name").textContent = store.titleOf(conversation);
      paintAvatar(part(row, "avatar"), { name: store.titleOf(conversation), group: conversation.kind !== "direct" });
      return row;
    }));
    results.append(group);
  }

  function end() {
    input.value = "";
    within = null;
    changed();
    if (location.hash.startsWith("#/c/")) byId("screen-chat").dataset.pane = "thread"; // where a phone came from
  }

  input.addEventListener("input", changed, { signal });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      end();
      input.blur();
    } else if (event.key === "ArrowDown") {
      results.querySelector("a")?.focus();
      event.preventDefault();
    }
  }, { signal });
  results.addEventListener("keydown", (event) => {
    const links = [...results.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") input.focus();
    else if (event.key === "ArrowDown") links[at + 1]?.focus();
    else if (event.key === "ArrowUp") (links[at - 1] ?? input).focus();
    else return;
    event.preventDefault();
  }, { signal });
  byId("search-clear").addEventListener("click", () => {
    end();
    input.focus();
  }, { signal });
  scope.addEventListener("click", () => {
    within = null;
    changed();
    input.focus();
  }, { signal });
  more.addEventListener("click", next, { signal });
  blocks.addEventListener("change", () => {
    if (sought() !== "") changed();
  }, { signal });
  addEventListener("keydown", (event) => {
    const isSlash = event.key === "/" && !event.target.closest("input, textarea, select, [contenteditable]");
    const isPalette = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey;
    if (event.defaultPrevented || document.querySelector("dialog[open]") || !(isSlash || isPalette)) return;
    event.preventDefault();
    begin();
  }, { signal });

  function begin(conversation = null) {
    if (conversation !== null) within = conversation;
    byId("screen-chat").dataset.pane = "list";
    changed();
    input.focus();
    input.select();
  }

  signal.addEventListener("abort", () => {
    input.value = "";
    within = null;
    clearTimeout(timer);
    results.replaceChildren();
    show();
  });
  return { begin };
}

// What those who run a group set for everybody in it: its name, who may write, and how often.

import { byId, submitting } from "./dom.js";

const PAUSES = { 0: "no pause", 10: "10 seconds", 60: "a minute", 600: "10 minutes", 3600: "an hour" };

export function mountGroupSettings({ api, store, signal }) {
  const form = byId("group-form");
  const title = byId("group-name");
  const pause = byId("group-pause");
  const admins = byId("group-admins");
  let shown = null;
  let isChanged = false;

  form.addEventListener("input", () => (isChanged = true), { signal });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const conversation = shown;
    submitting(form, async () => {
      const wanted = { title: title.value.trim(), slow_mode_s: Number(pause.value), posting: admins.checked ? "admins" : "everybody" };
      const changed = await api.changeConversation(conversation.id, wanted);
      if (shown === conversation) isChanged = false;
      store.update(changed);
    });
  }, { signal });

  return {
    /** Leaves alone what was changed and is not saved yet. */
    show(conversation, runsIt) {
      form.hidden = !runsIt;
      if (shown !== conversation) isChanged = false;
      shown = conversation;
      if (!runsIt || isChanged) return;
      title.value = conversation.title ?? "";
      admins.checked = conversation.posting === "admins";
      const seconds = conversation.slow_mode_s;
      const offered = { ...PAUSES, [seconds]: PAUSES[seconds] ?? `${seconds} seconds` };
      pause.replaceChildren(...Object.entries(offered).map(([value, text]) => new Option(text, value)));
      pause.value = String(seconds);
    },
  };
}

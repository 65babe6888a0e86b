// How the person wants to be seen: chosen in the menu at their name, true on all their devices.

import { byId } from "./dom.js";
import { trying } from "./toast.js";

export function mountOwnPresence({ api, store, connection, signal }) {
  const choices = [...byId("own-presence").querySelectorAll("button")];

  function show(status) {
    const chosen = status === "offline" ? "online" : status; // the socket is only just coming up
    byId("me-presence").dataset.status = chosen;
    for (const each of choices) each.setAttribute("aria-checked", String(each.value === chosen));
  }

  async function read() {
    try {
      const { items: [own] } = await api.presence([store.me.id]);
      show(own.status);
    } catch {
      // the next `ready` asks again
    }
  }

  for (const each of choices) {
    each.addEventListener("click", () => trying(async () => show((await api.choosePresence(each.value)).status)), { signal });
  }
  connection.addEventListener("ready", read, { signal });
  byId("menu").addEventListener("beforetoggle", ({ newState }) => {
    if (newState === "open") read(); // it may have been chosen on another device
  }, { signal });
}

// The panel beside a conversation: a thread, its people, or its pins; on narrow screens in its place.

import { byId } from "./dom.js";

/** `views` by name: {title, open(conversation, argument), close()}. */
export function mountPanel({ views, go, signal }) {
  const panel = byId("panel");
  let shown = null;
  let conversation = null;

  function close() {
    if (shown === null) return;
    views[shown].close();
    byId(`panel-${shown}`).hidden = true;
    panel.hidden = true;
    shown = null;
    byId("screen-chat").dataset.panel = "closed";
  }

  byId("panel-close").addEventListener("click", () => go(`c/${conversation.id}`), { signal });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    go(`c/${conversation.id}`);
  }, { signal });

  return {
    open(name, where, argument) {
      close();
      shown = name;
      conversation = where;
      panel.hidden = false;
      byId(`panel-${name}`).hidden = false;
      byId("panel-title").textContent = views[name].title;
      byId("screen-chat").dataset.panel = "open";
      views[name].open(where, argument);
    },
    close,
    /** Where something can be written, there. */
    focus() {
      const field = panel.querySelector("textarea");
      (field.offsetParent === null ? byId("panel-title") : field).focus();
    },
  };
}

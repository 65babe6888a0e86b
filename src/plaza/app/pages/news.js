// What has happened to the account, told as it happens: a line that stays until somebody has read it.

import { announce, byId, clone, part } from "./dom.js";

/** The newest on top, so that they never fill a phone. The mailbox has them all. */
const SHOWN = 2;

/** A notification that is told again, after a restart of the server, has the id that it had. */
export function mountNews({ connection, signal }) {
  const news = byId("news");
  const list = part(news, "lines");
  const told = new Set();

  function tell({ id, title, text }) {
    if (told.has(id)) return;
    told.add(id);
    const line = clone("news-template");
    part(line, "title").textContent = title;
    part(line, "text").textContent = text.split("\n").join(" · ");
    const dismiss = part(line, "dismiss");
    dismiss.setAttribute("aria-label", `Dismiss: ${title}`);
    dismiss.addEventListener("click", () => {
      line.remove();
      news.hidden = list.childElementCount === 0;
    });
    list.prepend(line);
    if (list.childElementCount > SHOWN) list.lastElementChild.remove();
    news.hidden = false;
    announce(title);
  }

  connection.addEventListener("frame", ({ detail }) => {
    if (detail.type === "notification.new") tell(detail.notification);
  }, { signal });
  signal.addEventListener("abort", () => {
    list.replaceChildren();
    news.hidden = true;
  });
}

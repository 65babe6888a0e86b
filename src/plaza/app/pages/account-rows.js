// Rows of the account page: something that the person has, and what can be done with it.

import { clone, part } from "./dom.js";

/** `actions` are [label, work, testId]; a failure is told by `notice`. */
export function row({ title, text, badge = "", actions, notice }) {
  const item = clone("row-template");
  part(item, "title").textContent = title;
  part(item, "hint").textContent = text;
  if (badge) {
    const mark = Object.assign(document.createElement("span"), { className: "badge-current", textContent: badge });
    part(item, "title").append(mark);
  }
  for (const [label, work, testId] of actions) {
    const button = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: label });
    button.dataset.testid = testId;
    button.setAttribute("aria-label", `${label}: ${title}`);
    button.addEventListener("click", attempt(notice, work));
    part(item, "actions").append(button);
  }
  return item;
}

/** `work` as a listener: one click at a time, failures told. */
export const attempt = (notice, work) => async ({ currentTarget: button }) => {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    notice(error.message || "Something went wrong. Please try again.");
  } finally {
    button.disabled = false;
  }
};

/** "21 November 2026, 14:05", in the reader's manner. */
export const moment = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });

/**
 * Shows in `node` what `read()` brings there, a part of the page that `what` names. Where it cannot be read, the page
 * says why in its place and offers another try. Until then nothing can be typed there, which would be lost.
 */
export async function reading(node, what, read) {
  node.inert = true;
  try {
    await read();
  } catch (error) {
    node.dataset.unread = "";
    if (!node.previousElementSibling?.matches(".unread")) node.before(apology(node, what, read));
    part(node.previousElementSibling, "problem").textContent = `${what} cannot be shown. ${error.message}`;
    return;
  } finally {
    node.inert = false;
  }
  delete node.dataset.unread;
  if (node.previousElementSibling?.matches(".unread")) node.previousElementSibling.remove();
}

function apology(node, what, read) {
  const box = clone("unread-template");
  const again = part(box, "again");
  again.setAttribute("aria-label", `Try again: ${what}`);
  again.addEventListener("click", async () => {
    again.disabled = true;
    await reading(node, what, read);
    again.disabled = false;
    if (box.isConnected) again.focus();
    else node.closest("section").querySelector("h2").focus();
  });
  return box;
}

/** A box to tick where who may get in changes. */
export const endOthers = (value = false) =>
  ({ name: "end_other_sessions", label: "Log me out everywhere else", type: "checkbox", value });

// A menu at a button: one at a time, left by Escape or a click elsewhere, walked through by arrow keys.

import { byId } from "./dom.js";

const MARGIN_PX = 8;

/** `items` are {label, work, testId, danger, checked} or null for what does not apply; `checked` makes a choice of it. */
export function openMenu(anchor, name, items) {
  const menu = byId("context-menu");
  menu.hidePopover();
  menu.setAttribute("aria-label", name);
  menu.replaceChildren(...items.filter(Boolean).map((item) => entry(menu, item)));
  anchor.setAttribute("aria-expanded", "true");
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState === "closed") anchor.setAttribute("aria-expanded", "false");
  }, { once: true });
  showAt(menu, anchor);
  menu.querySelector("button")?.focus();
}

/** Shows a popover below its anchor, or above it where there is no room. The focus comes back to the anchor. */
export function showAt(popover, anchor) {
  popover.showPopover({ source: anchor });
  const from = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popover;
  const below = from.bottom + 6;
  const top = below + height + MARGIN_PX > innerHeight ? from.top - 6 - height : below;
  const left = from.left + width + MARGIN_PX > innerWidth ? from.right - width : from.left;
  popover.style.top = `${Math.max(MARGIN_PX, top)}px`;
  popover.style.left = `${Math.min(Math.max(MARGIN_PX, left), innerWidth - width - MARGIN_PX)}px`;
  popover.addEventListener("toggle", ({ newState }) => {
    const isLost = document.activeElement === document.body || popover.contains(document.activeElement);
    if (newState === "closed" && isLost && anchor.isConnected) anchor.focus({ preventScroll: true });
  }, { once: true });
}

/** Arrow keys, Home and End go through the buttons of `node`. */
export function walkable(node, signal) {
  node.addEventListener("keydown", (event) => {
    const buttons = [...node.querySelectorAll("button:not([hidden])")];
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined || at < 0 || event.target.matches("input")) return;
    event.preventDefault();
    buttons.at(to % buttons.length).focus();
  }, { signal });
}

function entry(menu, { label, work, testId = "", danger = false, checked }) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.className = danger ? "danger" : "";
  button.dataset.testid = testId;
  button.setAttribute("role", checked === undefined ? "menuitem" : "menuitemradio");
  if (checked !== undefined) button.setAttribute("aria-checked", String(checked));
  button.addEventListener("click", () => {
    menu.hidePopover();
    work();
  });
  return button;
}

// `@` in a field offers the people of the conversation: arrow keys, Enter or Tab, or a click.

import { announce } from "./dom.js";
import { counted } from "./format.js";

const OFFERED = 6;
const BEGUN = /(?:^|[\s(])@([^\s@]{0,30}(?: [^\s@]{0,30})?)$/u;

/** `people()` gives {id, name, hint}; `list` is a listbox beside the field. Gives {chosen: ids}. */
export function completeMentions(field, list, people, signal) {
  const chosen = new Set();
  let offered = [];
  let active = 0;
  let from = 0;

  function begun() {
    const before = field.value.slice(0, field.selectionStart);
    const match = field.selectionStart === field.selectionEnd ? BEGUN.exec(before) : null;
    if (match) from = before.length - match[1].length - 1;
    return match?.[1] ?? null;
  }

  function offer() {
    const text = begun()?.toLocaleLowerCase() ?? null;
    const before = offered.length;
    const fits = ({ name }) => name.toLocaleLowerCase().split(/\s+/u).some((word) => word.startsWith(text))
      || name.toLocaleLowerCase().startsWith(text);
    offered = text === null ? [] : people().filter(fits).slice(0, OFFERED);
    active = 0;
    paint();
    if (offered.length > 0 && before === 0) announce(`${counted(offered.length, "person", "people")} to mention`);
  }

  function paint() {
    list.hidden = offered.length === 0;
    list.replaceChildren(...offered.map((person, index) => option(person, index)));
    if (list.hidden) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `${list.id}-${active}`);
  }

  function option({ name, hint }, index) {
    const item = document.createElement("li");
    item.id = `${list.id}-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(index === active));
    item.dataset.testid = "mention-option";
    const words = Object.assign(document.createElement("span"), { textContent: name });
    const aside = Object.assign(document.createElement("span"), { className: "hint", textContent: hint });
    item.append(words, aside);
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      choose(index);
    });
    return item;
  }

  function choose(index) {
    const { id, name } = offered[index];
    chosen.add(id);
    field.setRangeText(`@${name} `, from, field.selectionStart, "end");
    offered = [];
    paint();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function close() {
    offered = [];
    paint();
  }

  field.addEventListener("input", offer, { signal });
  field.addEventListener("click", offer, { signal });
  field.addEventListener("blur", close, { signal });
  field.addEventListener("keydown", (event) => {
    if (offered.length === 0 || event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      active = (active + step + offered.length) % offered.length;
      paint();
    } else if (event.key === "Enter" || event.key === "Tab") choose(active);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation(); // nor sends it, nor closes what lies around it
  }, { signal });

  return { chosen };
}

// One message of a list is the one that Tab comes to; arrow keys go to the others, and Tab goes on to what can be done with it.

/** `refresh()` after each change of the list; `to(row)` gives a row the focus. */
export function mountMessageFocus(list, signal) {
  let current = null;

  const rows = () => [...list.querySelectorAll(":scope > .message")];

  function refresh() {
    const all = rows();
    if (!all.includes(current)) current = all.at(-1) ?? null;
    for (const row of all) {
      const isCurrent = row === current;
      row.tabIndex = isCurrent ? 0 : -1;
      for (const inner of row.querySelectorAll("button:not(.always), a")) inner.tabIndex = isCurrent ? 0 : -1;
    }
  }

  function to(row) {
    current = row;
    refresh();
    row.focus({ preventScroll: true });
  }

  list.addEventListener("focusin", ({ target }) => {
    const row = target.closest(".message");
    if (row !== null && row !== current) {
      current = row;
      refresh();
    }
  }, { signal });
  list.addEventListener("keydown", (event) => {
    if (!event.target.matches(".message")) return;
    const all = rows();
    const at = all.indexOf(event.target);
    const next = { ArrowUp: all[at - 1], ArrowDown: all[at + 1], Home: all[0], End: all.at(-1) }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    to(next);
    next.scrollIntoView({ block: "nearest" });
  }, { signal });

  return { refresh, to };
}

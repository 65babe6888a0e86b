// Questions in a dialog of their own: fields to fill in, or something to read, and what is done then. One may stand on another.

import { clone, part, submitting } from "./dom.js";
import { CODE_LENGTH, complaints } from "./forms.js";

let asked = 0;

/**
 * Asks, and does: resolves to what `work(values)` gave, or to null where the person closed the dialog. A failure of
 * `work` is shown in the dialog, which stays open. A field is {name, label, type, value, hint, required, options}
 * with further attributes of an <input>; `body` are nodes to read above the fields; `others` [{label, work, testId}] are
 * further buttons, which may be all there is: then `submit` and `work` are left out. `name` is what tests call the
 * dialog; `opened(press)` gets what presses the first button, for what happens elsewhere.
 */
export function ask({
  name = "ask", title, text = "", body = [], fields = [], submit = "", danger = false, others = [], work, opened = () => {},
}) {
  const dialog = clone("ask-template");
  const form = dialog.querySelector("form");
  const prefix = `ask${++asked}`;
  dialog.dataset.testid = name;
  part(dialog, "title").textContent = title;
  part(dialog, "title").id = `${prefix}-title`;
  dialog.setAttribute("aria-labelledby", `${prefix}-title`);
  part(dialog, "body").append(...(text ? [hint(text)] : []), ...body, ...fields.map((each) => field(prefix, each)));
  part(dialog, "submit").textContent = submit;
  part(dialog, "submit").classList.toggle("danger", danger);
  part(dialog, "submit").classList.toggle("primary", !danger);
  part(dialog, "submit").parentElement.hidden = submit === "";
  part(dialog, "others").hidden = others.length === 0;

  return new Promise((resolve) => {
    let answer = null;
    const run = (doing) => submitting(form, async () => {
      answer = await doing();
      dialog.close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(() => {
        const errors = complaints(form);
        if (errors) throw Object.assign(new Error("Please look at the marked fields."), { errors });
        return work(valuesOf(form));
      });
    });
    part(dialog, "others").append(...others.map((other) => otherButton(other, run)));
    part(dialog, "close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove(); // and with it whatever secret it showed
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("input:not([type=checkbox])") ?? part(dialog, "title")).focus();
    opened(() => form.requestSubmit());
  });
}

function otherButton({ label, work, testId }, run) {
  const button = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: label });
  button.dataset.testid = testId;
  button.addEventListener("click", () => run(work));
  return button;
}

export function hint(text) {
  const node = document.createElement("p");
  node.className = "hint";
  node.textContent = text;
  return node;
}

/** A code of six digits. */
export const codeField = (label) => ({
  name: "code",
  label,
  inputmode: "numeric",
  autocomplete: "one-time-code",
  pattern: "[0-9]{6}",
  maxlength: CODE_LENGTH,
  class: "code-input",
});

/** By name: a text, for a box whether it is ticked, for several boxes of one name the values of those that are. */
function valuesOf(form) {
  const values = {};
  for (const { name, type, value, checked } of form.elements) {
    if (!name) continue;
    if (type !== "checkbox") values[name] = value;
    else if (value === "on") values[name] = checked;
    else values[name] = [...(values[name] ?? []), ...(checked ? [value] : [])];
  }
  return values;
}

function field(prefix, { name, label, hint: explanation, type = "text", required = true, value = "", options, ...attributes }) {
  const box = document.createElement(options ? "fieldset" : "div");
  box.className = type === "checkbox" ? "field check" : "field";
  if (options) box.append(Object.assign(document.createElement("legend"), { textContent: label }));
  for (const option of options ?? [{ value, label }]) {
    const input = document.createElement("input");
    input.id = `${prefix}-${name}${options ? `-${option.value.replace(":", "-")}` : ""}`;
    input.name = name;
    input.type = type;
    input.dataset.testid = options ? `field-${name}-${option.value}` : `field-${name}`;
    if (type !== "checkbox") Object.assign(input, { value, required });
    else if (options) input.value = option.value;
    else input.checked = value === true;
    for (const [key, given] of Object.entries(attributes)) input.setAttribute(key, given);
    const text = Object.assign(document.createElement("label"), { htmlFor: input.id, textContent: option.label });
    if (type === "checkbox") {
      const line = document.createElement("div");
      line.className = "check-line";
      line.append(input, text);
      box.append(line);
    } else {
      box.append(text, input);
    }
    if (explanation) {
      const node = hint(explanation);
      node.id = `${input.id}-hint`;
      input.setAttribute("aria-describedby", node.id);
      box.append(node);
    }
  }
  return box;
}

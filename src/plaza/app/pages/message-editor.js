// Editing a message where it stands: Enter saves, Escape leaves everything as it was.

import { clone, part } from "./dom.js";
import { growing, isSending } from "./text-field.js";

/** The server's rules; where an installation has others, its refusal is what counts. */
const EDITABLE_FOR_MS = 900_000;
const MOST_EDITS = 10;

/** Whether its writer may still edit it, at the server's time `now`. */
export const isEditable = (message, now) =>
  !message.deleted_at && message.edit_count < MOST_EDITS && now - Date.parse(message.created_at) <= EDITABLE_FOR_MS;

/** `save(content)` may refuse; its reason is shown and the text stays. `done()` is called when the editor is gone. */
export function editMessage(node, content, { save, done }) {
  if (node.querySelector(".editor")) return;
  const form = clone("editor-template");
  const field = form.querySelector("textarea");
  const problem = part(form, "problem");
  node.querySelector(".line").after(form);
  field.value = content;
  const fit = growing(field);

  function close() {
    form.remove();
    done();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text === "" || form.getAttribute("aria-busy")) return;
    if (text === content) {
      close();
      return;
    }
    form.setAttribute("aria-busy", "true");
    try {
      await save(text);
      close();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
      form.removeAttribute("aria-busy");
      field.focus();
    }
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (isSending(event)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  part(form, "cancel").addEventListener("click", close);
  fit();
  field.focus();
  field.setSelectionRange(content.length, content.length);
}

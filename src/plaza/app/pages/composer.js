// The field that a message is written in, for the conversation and for the replies to a message.

import { completeMentions } from "./mention-completion.js";
import { mentionable, toIds, toNames } from "./mentions.js";
import { growing, isSending } from "./text-field.js";

/**
 * `form` is made by fragments/composer.html. `send(content)` gets what is to be stored; `written(text)` hears of each
 * change of the text; `onUp()` is called by the up arrow in an empty field. `conversation()` is where it goes.
 */
export function mountComposer(form, { store, conversation, send, written = () => {}, onUp = () => {}, signal }) {
  const field = form.querySelector("textarea");
  const button = form.querySelector('[type="submit"]');
  const people = () => (conversation() ? mentionable(conversation(), store.me) : []);
  const mentions = completeMentions(field, form.querySelector('[role="listbox"]'), people, signal);
  const grow = growing(field, signal);

  function fit() {
    grow();
    button.disabled = field.value.trim() === "";
    form.classList.toggle("filled", !button.disabled);
  }

  const content = () => toIds(field.value.trim(), people(), mentions.chosen);

  function clear() {
    field.value = "";
    mentions.chosen.clear();
    fit();
    written("");
  }

  field.addEventListener("input", () => {
    fit();
    written(toIds(field.value, people(), mentions.chosen));
  }, { signal });
  field.addEventListener("keydown", (event) => {
    if (isSending(event)) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "ArrowUp" && field.value === "") {
      if (onUp()) event.preventDefault();
    }
  }, { signal });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = content();
    if (text === "") return;
    clear();
    field.focus();
    send(text);
  }, { signal });

  return {
    content,
    clear,
    get isEmpty() {
      return field.value.trim() === "";
    },
    /** Shows a stored text. */
    show(text) {
      field.value = toNames(text, store.nameInText);
      fit();
    },
    focus: () => field.focus(),
  };
}

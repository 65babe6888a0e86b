// What every field for a message does: it grows with its text, and Enter sends where there is a real keyboard.

const touch = matchMedia("(pointer: coarse)");

/** Gives a function that fits the field to its text, for when the text is set by the page. */
export function growing(field, signal) {
  function fit() {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
  }
  field.addEventListener("input", fit, { signal });
  return fit;
}

/** Touch keyboards have no Shift+Enter, so there Enter is a new line; while composing a character it ends that. */
export const isSending = (event) =>
  event.key === "Enter" && !event.shiftKey && !event.isComposing && !touch.matches;

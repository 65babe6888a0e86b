// Forms that check themselves in our words before anything is sent, and codes that are typed digit by digit.

import { byId, submitting } from "./dom.js";

export const CODE_LENGTH = 6;

/** Calls `work(values, form)` with what was filled in; a failure is shown in the form. */
export function onSubmit(formId, work) {
  const form = byId(formId);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitting(form, async () => {
      const errors = complaints(form);
      if (errors) throw Object.assign(new Error("Please look at the marked fields."), { errors });
      await work(Object.fromEntries(new FormData(form)), form);
    });
  });
}

/** What the browser finds wrong, by the names of fields; null where everything is as it should be. */
export function complaints(form) {
  const invalid = [...form.elements].filter((input) => input.willValidate && !input.validity.valid);
  return invalid.length === 0 ? null : Object.fromEntries(invalid.map((input) => [input.name, [complaint(input)]]));
}

/** Six digits, and nothing else; the last one sends the form. */
export function digitsOnly(input) {
  input.addEventListener("input", () => {
    if (input.inputMode !== "numeric") return;
    input.value = input.value.replace(/\D/gu, "").slice(0, CODE_LENGTH);
    if (input.value.length === CODE_LENGTH) input.form.requestSubmit();
  });
}

function complaint({ validity, type, minLength, name }) {
  if (validity.valueMissing) return "This is needed.";
  if (validity.tooShort) return `At least ${minLength} characters, please.`;
  if (type === "email") return "This does not look like an e-mail address.";
  return name === "code" ? "The code has six digits." : "This cannot be right.";
}

// The few DOM helpers that every view uses. Text reaches the page only through textContent.

export const byId = (id) => document.getElementById(id);

export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** A fresh copy of the one element inside a <template>. */
export const clone = (templateId) => byId(templateId).content.firstElementChild.cloneNode(true);

/** Says something to screen readers without moving the focus. */
export function announce(text) {
  byId("live").textContent = text;
}

/** Initials on a colour that stays the same for the same name; groups are square, people round. */
export function paintAvatar(node, { name, group = false }) {
  let hash = 0;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  node.textContent = initials(name);
  node.dataset.tone = String((hash >>> 13) % 8);
  node.classList.toggle("square", group);
}

function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return picked.map((word) => [...word][0].toLocaleUpperCase()).join("") || "?";
}

/**
 * Makes the children of `list` be `rows` in their order, keeping the node of each key.
 * A row is {key, signature, make(), update(node)}; a node is updated only when its signature changed.
 */
export function reconcile(list, rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(rows.map((row) => row.key));
  const known = new Map();
  for (const node of [...list.children]) {
    if (wanted.has(node.dataset.key)) known.set(node.dataset.key, node);
    else node.remove();
  }
  let next = list.firstElementChild;
  for (const row of rows) {
    let node = known.get(row.key);
    if (node === undefined) {
      node = row.make();
      node.dataset.key = row.key;
    }
    if (node.signature !== row.signature) {
      row.update(node);
      node.signature = row.signature;
    }
    if (node === next) next = next.nextElementSibling;
    else list.insertBefore(node, next);
  }
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

/** Shows a failure inside a form: its text above, the server's word on single fields at those fields. */
export function showFormError(form, error) {
  const summary = form.querySelector(".form-error");
  clearFormError(form);
  let first = null;
  for (const [name, messages] of Object.entries(error.errors ?? {})) {
    const input = form.elements.namedItem(name);
    if (!(input instanceof HTMLInputElement)) continue;
    input.setAttribute("aria-invalid", "true");
    const text = document.createElement("p");
    text.className = "field-error";
    text.id = `${input.id}-error`;
    text.textContent = messages.join(" ");
    input.closest(".field").append(text);
    input.dataset.described = input.getAttribute("aria-describedby") ?? "";
    input.setAttribute("aria-describedby", `${input.dataset.described} ${text.id}`.trim());
    first ??= input;
  }
  summary.textContent = error.message;
  summary.hidden = false;
  (first ?? form.querySelector("input"))?.focus();
}

export function clearFormError(form) {
  const summary = form.querySelector(".form-error");
  summary.hidden = true;
  summary.textContent = "";
  for (const text of form.querySelectorAll(".field-error")) text.remove();
  for (const input of form.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    if (input.dataset.described) input.setAttribute("aria-describedby", input.dataset.described);
    else input.removeAttribute("aria-describedby");
  }
}

/** Runs `work` once at a time, the form's buttons off meanwhile; a failure is shown in the form. */
export async function submitting(form, work) {
  if (form.getAttribute("aria-busy") === "true") return;
  const buttons = form.querySelectorAll("button");
  form.setAttribute("aria-busy", "true");
  for (const button of buttons) button.disabled = true;
  clearFormError(form);
  let failure = null;
  try {
    await work();
  } catch (error) {
    failure = error;
  }
  form.removeAttribute("aria-busy");
  for (const button of buttons) button.disabled = false;
  if (failure) showFormError(form, failure);
}

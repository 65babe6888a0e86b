// The logged-out screens: log in (or step in as a demo person), sign up, enter the mailed code.

import { byId, clone, paintAvatar, part, showFormError, submitting } from "./dom.js";

const RESEND_PAUSE_MS = 30_000;
const CODE_LENGTH = 6;

/** `onLogin(user)` is called once somebody is logged in; `demo` is null outside of development. */
export function mountAuth({ api, demo, onLogin }) {
  const screens = ["login", "signup", "code"];
  const codeForm = byId("code-form");
  const resend = byId("code-resend");
  let email = "";

  function show(name, { focus = true } = {}) {
    for (const screen of screens) byId(screen).hidden = screen !== name;
    byId("screen-auth").dataset.screen = name;
    byId("demo").hidden = demo === null || name === "code";
    const target = name === "code" ? byId("code-input") : byId(`${name}-title`);
    if (focus) target.focus();
  }

  function askCode(address) {
    email = address;
    byId("code-email").textContent = address;
    codeForm.reset();
    show("code");
  }

  function enter(user) {
    for (const screen of screens) byId(`${screen}-form`).reset();
    byId("auth-notice").hidden = true;
    onLogin(user);
  }

  async function logIn(identifier, password) {
    try {
      enter(await api.login(identifier, password));
    } catch (error) {
      if (error.code !== "EMAIL_NOT_VERIFIED" || !identifier.includes("@")) throw error;
      await api.resendCode(identifier);
      askCode(identifier);
    }
  }

  onSubmit("login-form", async ({ identifier, password }) => logIn(identifier.trim(), password));

  onSubmit("signup-form", async ({ display_name: name, email: address, password }) => {
    await api.register(address.trim(), password, name.trim());
    askCode(address.trim());
  });

  onSubmit("code-form", async ({ code }) => {
    try {
      enter(await api.verifyEmail(email, code));
    } catch (error) {
      codeForm.reset();
      throw error;
    }
  });

  byId("code-input").addEventListener("input", ({ target }) => {
    target.value = target.value.replace(/\D/gu, "").slice(0, CODE_LENGTH);
    if (target.value.length === CODE_LENGTH) codeForm.requestSubmit();
  });

  resend.addEventListener("click", async () => {
    resend.disabled = true;
    try {
      await api.resendCode(email);
      resend.textContent = "A new code is on its way";
    } catch (error) {
      showFormError(codeForm, error);
    }
    setTimeout(() => {
      resend.disabled = false;
      resend.textContent = "Send a new code";
    }, RESEND_PAUSE_MS);
  });

  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => show(button.dataset.show));
  }

  if (demo !== null) {
    byId("code-outbox").hidden = false;
    byId("demo-people").replaceChildren(...demo.people.map((person) => demoPerson(person, () => {
      show("login", { focus: false });
      submitting(byId("login-form"), () => logIn(person.email, demo.password));
    })));
  }

  return {
    /** Shows the login form, with the reason where somebody was sent back to it. */
    open(notice = "") {
      byId("auth-notice").textContent = notice;
      byId("auth-notice").hidden = notice === "";
      show("login", { focus: notice !== "" });
    },
  };
}

function demoPerson(person, onClick) {
  const item = clone("demo-person-template");
  const button = item.querySelector("button");
  paintAvatar(part(item, "avatar"), { name: person.display_name });
  part(item, "name").textContent = person.display_name;
  part(item, "email").textContent = person.email;
  button.addEventListener("click", onClick);
  return item;
}

/** The browser's own checks are shown in our words at the field, before anything is sent. */
function onSubmit(formId, work) {
  const form = byId(formId);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submitting(form, async () => {
      const invalid = [...form.elements].filter((input) => input.willValidate && !input.validity.valid);
      if (invalid.length > 0) {
        const errors = Object.fromEntries(invalid.map((input) => [input.name, [complaint(input)]]));
        throw Object.assign(new Error("Please look at the marked fields."), { errors });
      }
      await work(Object.fromEntries(new FormData(form)));
    });
  });
}

function complaint({ validity, type, minLength, name }) {
  if (validity.valueMissing) return "This is needed.";
  if (validity.tooShort) return `At least ${minLength} characters, please.`;
  if (type === "email") return "This does not look like an e-mail address.";
  return name === "code" ? "The code has six digits." : "This cannot be right.";
}

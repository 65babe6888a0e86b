// The logged-out screens: every way in, and what a mailed link leads to.

import { byId, clone, paintAvatar, part, showFormError, submitting } from "./dom.js";
import { digitsOnly, onSubmit } from "./forms.js";
import { requestLoginLink, tellLogin, useLoginLink } from "./login-link.js";
import { arePasskeysPossible, usePasskey } from "./passkeys.js";

const SCREENS = ["login", "signup", "code", "mfa", "magic", "phone", "reset", "new-password", "sent"];
const RESEND_PAUSE_MS = 30_000;
/** What an identity provider's refusal means to the person. */
export const PROVIDER_REFUSALS = {
  ACCOUNT_DISABLED: "This account cannot be used.",
  LINK_REQUIRED: "Your address has an account here already. Log in another way, then connect the two on your account page.",
  LINKED_ACCOUNT_TAKEN: "That account is connected to somebody else here.",
  OAUTH_DENIED: "You did not allow it there.",
  OAUTH_EMAIL_MISSING: "No address came along from there, and we need one.",
  OAUTH_STATE_INVALID: "That took too long. Please try again.",
};

/** What the fragment of a mailed link means: no server sees a fragment. */
const LINK = /^#(verify|login|reset|undo)=([\w.~-]+)$/u;

/**
 * What brought the browser here: {kind, token, next}, or null. A mailed link says so in its fragment, an identity
 * provider by `?code=`, `?error=` or `?linked=`; either leaves the address at once.
 */
export function takeLink() {
  const query = new URLSearchParams(location.search);
  const [, mailed, token] = LINK.exec(location.hash) ?? [];
  const given = ["code", "error", "linked"].find((name) => query.has(name));
  if (mailed === undefined && given === undefined) return null;
  const link = mailed ? { kind: mailed, token } : { kind: given, token: query.get(given), next: query.get("next") };
  for (const name of ["code", "error", "linked", "next"]) query.delete(name);
  const rest = query.size > 0 ? `?${query}` : "";
  history.replaceState(null, "", location.pathname + rest);
  return link;
}

/**
 * `onLogin(user)` is called once somebody is logged in; `demo` is null outside of development.
 * `providers` are the outside accounts that can be logged in with: [{name, title}].
 */
export function mountAuth({ api, demo, providers = [], onLogin }) {
  const codeForm = byId("code-form");
  const resend = byId("code-resend");
  const mfaInput = byId("mfa-input");
  /** What the code screen is waiting for: {address, back, verify(code), again()}. */
  let awaited = null;
  let mfaToken = null;
  let resetToken = null;

  function show(name, { focus = true } = {}) {
    for (const screen of SCREENS) byId(screen).hidden = screen !== name;
    byId("screen-auth").dataset.screen = name;
    byId("demo").hidden = demo === null || !["login", "signup"].includes(name);
    byId("auth-outbox").hidden = demo === null || !["code", "sent"].includes(name);
    if (focus) (byId(`${name}-input`) ?? byId(`${name}-title`)).focus();
  }

  /** `next` is where a login that began elsewhere on this site goes on. */
  function enter(user, next = null) {
    for (const form of byId("screen-auth").querySelectorAll("form")) form.reset();
    byId("auth-notice").hidden = true;
    awaited = mfaToken = resetToken = null;
    tellLogin();
    if (next?.startsWith("/") && !next.startsWith("//") && next !== location.pathname) location.assign(next);
    else onLogin(user);
  }

  /** Through the gate: a second factor is asked for where the account has one. */
  async function comeIn(route, body, next = null) {
    let user;
    try {
      user = await api.enter(route, body);
    } catch (error) {
      if (error.code === "EMAIL_NOT_VERIFIED" && error.problem.email) {
        askCode(awaitMailedCode(error.problem.email));
        return;
      }
      if (error.code !== "MFA_REQUIRED") throw error;
      mfaToken = error.problem.mfa_token;
      byId("mfa-other").hidden = !error.problem.methods.includes("recovery_code");
      askForRecoveryCode(false);
      show("mfa");
      return;
    }
    enter(user, next);
  }

  function askCode(next) {
    awaited = next;
    byId("code-address").textContent = next.address;
    codeForm.reset();
    show("code");
  }

  function tellSent(address) {
    byId("sent-address").textContent = address;
    show("sent");
  }

  function askForRecoveryCode(wanted) {
    mfaInput.value = "";
    mfaInput.inputMode = wanted ? "text" : "numeric";
    byId("mfa-label").textContent = wanted ? "Recovery code" : "Six-digit code";
    byId("mfa-hint").textContent = wanted
      ? "Enter one of the codes that you kept. Each works once."
      : "Enter the code that your authenticator app shows.";
    byId("mfa-other").textContent = wanted ? "Use the app's code" : "Use a recovery code";
  }

  const awaitMailedCode = (email) => ({
    address: email,
    back: "signup",
    verify: (code) => comeIn("verify-email", { email, code }),
    again: () => api.ask("resend-email", { email }),
  });

  async function logIn(identifier, password) {
    try {
      await comeIn("login", { identifier, password });
    } catch (error) {
      if (error.code !== "EMAIL_NOT_VERIFIED" || !identifier.includes("@")) throw error;
      const code = awaitMailedCode(identifier);
      await code.again();
      askCode(code);
    }
  }

  onSubmit("login-form", ({ identifier, password }) => logIn(identifier.trim(), password));

  onSubmit("signup-form", async ({ display_name: name, email, password }) => {
    await api.ask("registration", { email: email.trim(), password, display_name: name.trim() });
    askCode(awaitMailedCode(email.trim()));
  });

  onSubmit("phone-form", async ({ phone }) => {
    const again = () => api.ask("phone/send-code", { phone });
    await again();
    askCode({ address: phone, back: "phone", again, verify: (code) => comeIn("phone/verify-code", { phone, code }) });
  });

  onSubmit("code-form", async ({ code }) => {
    try {
      await awaited.verify(code);
    } catch (error) {
      codeForm.reset();
      throw error;
    }
  });

  onSubmit("mfa-form", async ({ code }) => {
    const given = mfaInput.inputMode === "numeric" ? { code } : { recovery_code: code.trim() };
    try {
      enter(await api.enter("mfa/verify", { mfa_token: mfaToken, ...given }));
    } catch (error) {
      mfaInput.value = "";
      throw error;
    }
  });

  onSubmit("magic-form", async ({ email }) => {
    await requestLoginLink(api, email.trim());
    tellSent(email.trim());
  });

  onSubmit("reset-form", async ({ email }) => {
    await api.ask("password/reset", { email: email.trim() });
    tellSent(email.trim());
  });

  onSubmit("new-password-form", ({ password }) => comeIn("password/reset/confirm", { token: resetToken, password }));

  for (const input of [byId("code-input"), mfaInput]) digitsOnly(input);
  byId("mfa-other").addEventListener("click", () => {
    askForRecoveryCode(mfaInput.inputMode === "numeric");
    mfaInput.focus();
  });
  byId("code-back").addEventListener("click", () => show(awaited.back));

  resend.addEventListener("click", async () => {
    resend.disabled = true;
    try {
      await awaited.again();
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

  const passkey = byId("login-passkey");
  passkey.hidden = !arePasskeysPossible();
  passkey.addEventListener("click", () => submitting(byId("login-form"), () => logInByPasskey(comeIn, api)));

  byId("login-providers").hidden = providers.length === 0;
  byId("login-providers").replaceChildren(...providers.map(providerLink));

  if (demo !== null) {
    byId("demo-people").replaceChildren(...demo.people.map((person) => demoPerson(person, () => {
      show("login", { focus: false });
      submitting(byId("login-form"), () => logIn(person.email, demo.password));
    })));
  }

  /** What the opened link leads to; failures are told above the login form. */
  async function follow({ kind, token, next }) {
    switch (kind) {
      case "verify":
        return comeIn("verify-email", { token });
      case "code":
        return comeIn("oauth/exchange", { code: token }, next);
      case "login":
        await api.restore().catch(() => null); // who is logged in already gets a newer session in place of the one they have
        return useLoginLink(token, (body) => comeIn("magic-link/confirm", body));
      case "reset":
        resetToken = token;
        return show("new-password");
      case "undo":
        await api.ask("email/change/undo", { token });
        throw new Error("Your earlier address is back, and every session has ended. Choose a new password by “Forgot your password?”.");
      default:
        throw new Error(PROVIDER_REFUSALS[token] ?? "Logging in there did not work. Please try again.");
    }
  }

  function open(notice = "") {
    byId("auth-notice").textContent = notice;
    byId("auth-notice").hidden = notice === "";
    show("login", { focus: notice !== "" });
  }

  return {
    /** Shows the login form, with the reason where somebody was sent back to it. */
    open,

    async follow(link) {
      open();
      try {
        await follow(link);
      } catch (error) {
        open(error.message);
      }
    },
  };
}

/** With any passkey that this browser holds for this place; nobody says who they are first. */
export async function logInByPasskey(comeIn, api) {
  const { challenge_id, options } = await api.ask("passkeys/authentication-options", {});
  await comeIn("passkeys/authenticate", { challenge_id, credential: await usePasskey(options) });
}

function providerLink({ name, title }) {
  const link = document.createElement("a");
  link.className = "button wide";
  link.href = `/api/v1/auth/oauth/${encodeURIComponent(name)}/authorize?next=${encodeURIComponent(location.pathname)}`;
  link.textContent = `Continue with ${title}`;
  link.dataset.testid = `login-${name}`;
  return link;
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

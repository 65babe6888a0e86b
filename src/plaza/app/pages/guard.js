// What needs a login of the last minutes: the server says so, the person proves who they are once more, and it is tried again.

import { ask, codeField } from "./ask.js";
import { onLoginElsewhere, requestLoginLink } from "./login-link.js";
import { arePasskeysPossible, usePasskey } from "./passkeys.js";

/** Set while somebody is away at an identity provider to prove who they are. */
const AWAY = "plaza-proving";
const ANOTHER_FACTOR = Symbol("another second factor");

/** The person did not want to prove it again; nothing has changed. */
export class NotConfirmed extends Error {
  constructor() {
    super("Nothing was changed, because you did not confirm that it is you.");
  }
}

/** Fires `confirmed` when the session was replaced by a newer one. */
export class Guard extends EventTarget {
  #api;
  #titles;

  /** `providers` are the outside accounts that can be logged in with: [{name, title}]. */
  constructor(api, providers) {
    super();
    this.#api = api;
    this.#titles = new Map(providers.map(({ name, title }) => [name, title]));
  }

  /** The answer of `work()`, which may be called twice. Throws NotConfirmed. */
  async pass(work) {
    try {
      return await work();
    } catch (error) {
      if (error.code !== "STEP_UP_REQUIRED") throw error;
    }
    await this.#confirm();
    return work();
  }

  /** Whether this page was left by `pass`, for a provider to say who somebody is. Tells it once. */
  static isReturning() {
    const wasAway = sessionStorage.getItem(AWAY) !== null;
    sessionStorage.removeItem(AWAY);
    return wasAway;
  }

  /** The provider sent the browser back with this code. Gives what there is to say. */
  async comeBack(code) {
    const { id } = this.#api.user;
    let user;
    try {
      user = await this.#enter("oauth/exchange", { code });
    } catch (error) {
      return error.message;
    }
    return user.id === id
      ? "Thank you. What you wanted to change can be changed now."
      : "That is somebody else’s account there, and their account is the one that is open here now.";
  }

  /** By any of the ways that work for the account. */
  async #confirm() {
    const { id } = this.#api.user;
    const { items } = await this.#api.mine("GET", "ways-in");
    const hasPassword = items.some(({ way }) => way === "password");
    const others = this.#waysBeside(items);
    const isHelpless = !hasPassword && others.length === 0;
    const confirmed = await ask({
      name: "confirm",
      title: "Is it you?",
      text: isHelpless
        ? "This is about who may get into your account. Please log out, log in again the way that you do, and come back."
        : "This is about who may get into your account, so please prove again that it is you.",
      ...(hasPassword && {
        fields: [{ name: "password", label: "Password", type: "password", autocomplete: "current-password" }],
        submit: "Continue",
        work: ({ password }) => this.#enter("login", { identifier: this.#identifier, password }),
      }),
      others,
    });
    if (confirmed === null) throw new NotConfirmed();
    if (confirmed.id !== id) {
      location.reload(); // a passkey of somebody else, say: this is their page now, and nothing is done on it unasked
      throw new NotConfirmed();
    }
    this.dispatchEvent(new Event("confirmed"));
  }

  get #identifier() {
    const { email, phone, username } = this.#api.user;
    return email ?? phone ?? username;
  }

  #waysBeside(items) {
    const has = new Set(items.map(({ way }) => way));
    const linked = new Set(items.map(({ provider }) => provider));
    const { email, phone } = this.#api.user;
    return [
      has.has("passkey") && arePasskeysPossible()
        && { label: "Use a passkey", testId: "confirm-passkey", work: () => this.#byPasskey() },
      ...[...this.#titles].filter(([name]) => linked.has(name)).map(([name, title]) => ({
        label: `Continue with ${title}`,
        testId: `confirm-${name}`,
        work: () => this.#byProvider(name),
      })),
      has.has("email") && { label: "Mail me a link", testId: "confirm-mail", work: () => this.#byMail(email) },
      has.has("phone") && { label: "Text me a code", testId: "confirm-text", work: () => this.#byText(phone) },
    ].filter(Boolean);
  }

  async #byPasskey() {
    const { challenge_id, options } = await this.#api.ask("passkeys/authentication-options", {});
    return this.#enter("passkeys/authenticate", { challenge_id, credential: await usePasskey(options) });
  }

  /** Leads away from this page, and back to it. */
  #byProvider(name) {
    sessionStorage.setItem(AWAY, "yes");
    const query = new URLSearchParams({ next: location.pathname, reauthenticate: "true" });
    location.assign(`/api/v1/auth/oauth/${encodeURIComponent(name)}/authorize?${query}`);
    return new Promise(() => {});
  }

  /** The link opens in a window of its own, where it makes a newer session, which this browser's windows share. */
  async #byMail(email) {
    const before = await this.#session();
    await requestLoginLink(this.#api, email);
    let stop;
    const confirmed = await ask({
      name: "confirm-mailed",
      title: "Look into your mailbox",
      text: `We mailed a link to ${email}. Open it in this browser: this window goes on by itself once you did.`,
      submit: "I have opened it",
      opened(press) {
        stop = onLoginElsewhere(press);
      },
      work: async () => {
        await this.#api.renew();
        if ((await this.#session()) === before) throw new Error("The link has not been used in this browser yet.");
        return this.#api.user;
      },
    });
    stop();
    if (confirmed === null) throw new NotConfirmed();
    return confirmed;
  }

  /** As a stranger would: with a token, a code would be about changing the number. */
  async #byText(phone) {
    await this.#api.ask("phone/send-code", { phone });
    const confirmed = await ask({
      name: "confirm-texted",
      title: "Enter the code",
      text: `We texted a six-digit code to ${phone}.`,
      fields: [codeField("Six-digit code")],
      submit: "Continue",
      work: async ({ code }) => {
        const before = await this.#session();
        const user = await this.#enter("phone/verify-code", { phone, code }, { asStranger: true });
        await this.#api.mine("DELETE", `sessions/${before}`).catch(() => {}); // over already after a second factor
        return user;
      },
    });
    if (confirmed === null) throw new NotConfirmed();
    return confirmed;
  }

  async #session() {
    const { items } = await this.#api.mine("GET", "sessions?limit=100");
    return items.find(({ current }) => current).id;
  }

  async #enter(route, body, options) {
    try {
      return await this.#api.enter(route, body, options);
    } catch (error) {
      if (error.code !== "MFA_REQUIRED") throw error;
      return this.#showSecondFactor(error.problem);
    }
  }

  async #showSecondFactor({ mfa_token, methods }) {
    for (let isRecovery = false; ; isRecovery = !isRecovery) {
      const user = await ask({
        name: "confirm-code",
        title: "One more step",
        text: isRecovery ? "Enter one of the codes that you kept. Each works once." : "",
        fields: [isRecovery
          ? { name: "recovery_code", label: "Recovery code", autocomplete: "off", autocapitalize: "none", spellcheck: "false" }
          : codeField("The code that your authenticator app shows")],
        submit: "Continue",
        others: methods.includes("recovery_code")
          ? [{
            label: isRecovery ? "Use the app's code" : "Use a recovery code",
            testId: "confirm-other-factor",
            work: () => ANOTHER_FACTOR,
          }]
          : [],
        work: ({ code, recovery_code: recovery }) =>
          this.#api.enter("mfa/verify", { mfa_token, ...(isRecovery ? { recovery_code: recovery.trim() } : { code }) }),
      });
      if (user === null) throw new NotConfirmed();
      if (user !== ANOTHER_FACTOR) return user;
    }
  }
}

// What needs a login of the last minutes: the server says so, the person proves who they are once more, and it is tried again.

import { ask, codeField } from "./ask.js";
import { arePasskeysPossible, usePasskey } from "./passkeys.js";

/** The person did not want to prove it again; nothing has changed. */
export class NotConfirmed extends Error {
  constructor() {
    super("Nothing was changed, because you did not confirm that it is you.");
  }
}

export class Guard {
  #api;

  constructor(api) {
    this.#api = api;
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

  async #confirm() {
    const { email, phone, username } = this.#api.user;
    const byPasskey = {
      label: "Use a passkey",
      work: async () => {
        const { challenge_id, options } = await this.#api.ask("passkeys/authentication-options", {});
        return this.#enter("passkeys/authenticate", { challenge_id, credential: await usePasskey(options) });
      },
    };
    const confirmed = await ask({
      name: "confirm",
      title: "Is it you?",
      text: "This is about who may get into your account, so please prove again that it is you. Without a password or passkey: log out, log in again, and come back.",
      fields: [{ name: "password", label: "Password", type: "password", autocomplete: "current-password" }],
      submit: "Continue",
      other: arePasskeysPossible() ? byPasskey : null,
      work: ({ password }) => this.#enter("login", { identifier: email ?? phone ?? username, password }),
    });
    if (confirmed === null) throw new NotConfirmed();
  }

  async #enter(route, body) {
    const id = this.#api.user.id;
    let user;
    try {
      user = await this.#api.enter(route, body);
    } catch (error) {
      if (error.code !== "MFA_REQUIRED") throw error;
      const { mfa_token } = error.problem;
      user = await ask({
        name: "confirm-code",
        title: "One more step",
        fields: [codeField("The code that your authenticator app shows")],
        submit: "Continue",
        work: ({ code }) => this.#api.enter("mfa/verify", { mfa_token, code }),
      });
      if (user === null) throw new NotConfirmed();
    }
    if (user.id !== id) location.reload(); // a passkey of somebody else: this is their page now
    return user;
  }
}

// Ways to log in, and the second factor.

import { attempt, endOthers, moment, reading, row } from "./account-rows.js";
import { ask, codeField, hint } from "./ask.js";
import { byId } from "./dom.js";
import { arePasskeysPossible, createPasskey } from "./passkeys.js";

export function mountSecurity(page, providers) {
  mountPassword(page);
  mountPasskeys(page);
  mountLinked(page, providers);
  mountTotp(page);
}

function mountPassword({ api, guard, notice, sessionsChanged }) {
  const newPassword = {
    name: "new",
    label: "New password",
    type: "password",
    autocomplete: "new-password",
    minlength: 8,
    maxlength: 128,
    hint: "At least 8 characters. A short sentence works well.",
  };
  byId("password-change").addEventListener("click", attempt(notice, async () => {
    const changed = await ask({
      title: "Change your password",
      fields: [
        { name: "old", label: "Present password", type: "password", autocomplete: "current-password", required: false, hint: "Empty if you never set one." },
        newPassword,
        endOthers(true),
      ],
      submit: "Change",
      work: async ({ old, ...given }) => {
        await guard.pass(() => api.mine("POST", "password/change", old ? { old, ...given } : given));
        return true;
      },
    });
    if (changed === null) return;
    sessionsChanged();
    notice("Your password is changed.");
  }));
}

function mountPasskeys({ api, guard, notice, sessionsChanged }) {
  byId("passkey-add").hidden = !arePasskeysPossible();
  byId("passkey-none").hidden = arePasskeysPossible();

  async function refresh() {
    const { items } = await api.mine("GET", "passkeys?limit=100");
    byId("passkeys").replaceChildren(...items.map((passkey) => row({
      title: passkey.name,
      text: passkey.last_used_at ? `Last used ${moment(passkey.last_used_at)}` : `Made ${moment(passkey.created_at)}`,
      notice,
      actions: [
        ["Rename", () => rename(passkey), "passkey-rename"],
        ["Remove", () => remove(passkey), "passkey-remove"],
      ],
    })));
  }

  async function rename({ id, name: before }) {
    const renamed = await ask({
      title: "Name this passkey",
      fields: [{ name: "name", label: "Name", value: before, maxlength: 100 }],
      submit: "Save",
      work: ({ name }) => guard.pass(() => api.mine("PATCH", `passkeys/${id}`, { name })),
    });
    if (renamed !== null) await refresh();
  }

  async function remove({ id, name }) {
    const removed = await ask({
      title: "Remove this passkey?",
      text: `${name} opens the account no more. Your device may still offer it: remove it there, too.`,
      fields: [endOthers()],
      submit: "Remove",
      danger: true,
      work: async ({ end_other_sessions: ends }) => {
        await guard.pass(() => api.mine("DELETE", `passkeys/${id}?end_other_sessions=${ends}`));
        return true;
      },
    });
    if (removed === null) return;
    sessionsChanged();
    await refresh();
    notice(`The passkey ${name} is removed.`);
  }

  byId("passkey-add").addEventListener("click", attempt(notice, async () => {
    const { challenge_id, options } = await guard.pass(() => api.mine("POST", "passkeys/registration-options", {}));
    const credential = await createPasskey(options);
    const made = await ask({
      title: "Name your passkey",
      fields: [{ name: "name", label: "Name", value: suggestedName(), maxlength: 100 }, endOthers()],
      submit: "Save",
      work: (given) => guard.pass(() => api.mine("POST", "passkeys", { challenge_id, credential, ...given })),
    });
    if (made === null) return;
    sessionsChanged();
    await refresh();
    notice("From now on you can log in with your passkey.");
  }));
  reading(byId("passkeys"), "Your passkeys", refresh);
}

function mountLinked({ api, guard, notice, sessionsChanged }, providers) {
  const titles = new Map(providers.map(({ name, title }) => [name, title]));

  async function refresh() {
    const { items } = await api.mine("GET", "linked-accounts?limit=100");
    const connected = new Set(items.map(({ provider }) => provider));
    byId("linked").hidden = items.length === 0 && providers.length === 0;
    byId("linked-accounts").replaceChildren(
      ...items.map((account) => row({
        title: titles.get(account.provider) ?? account.provider,
        text: account.email ?? "Connected",
        notice,
        actions: [["Disconnect", () => disconnect(account), "linked-remove"]],
      })),
      ...providers.filter(({ name }) => !connected.has(name)).map(({ name, title }) => row({
        title,
        text: "Not connected",
        notice,
        actions: [["Connect", () => connect(name), "linked-add"]],
      })),
    );
  }

  async function connect(name) {
    const route = `oauth/${encodeURIComponent(name)}/link`;
    const { url } = await guard.pass(() => api.mine("POST", route, { next: "/account" }));
    location.assign(url);
  }

  async function disconnect({ id, provider }) {
    const title = titles.get(provider) ?? provider;
    const disconnected = await ask({
      title: `Disconnect ${title}?`,
      text: "Your account there opens this one no more.",
      fields: [endOthers()],
      submit: "Disconnect",
      danger: true,
      work: async ({ end_other_sessions: ends }) => {
        await guard.pass(() => api.mine("DELETE", `linked-accounts/${id}?end_other_sessions=${ends}`));
        return true;
      },
    });
    if (disconnected === null) return;
    sessionsChanged();
    await refresh();
    notice(`${title} is disconnected.`);
  }
  reading(byId("linked"), "Your accounts elsewhere", refresh);
}

function mountTotp({ api, guard, notice, sessionsChanged }) {
  const toggle = byId("totp-toggle");
  let isOn = false;

  async function refresh() {
    const { totp, recovery_codes_left: left } = await api.mine("GET", "mfa");
    isOn = totp;
    byId("totp-state").textContent = isOn ? "On: every login asks for its code, a passkey's aside." : "Off. An app on your phone shows a new code every 30 seconds.";
    toggle.textContent = isOn ? "Turn off" : "Set up";
    byId("recovery-row").hidden = !isOn;
    byId("recovery-state").textContent = `${left} left. Each gets you in once when the app is out of reach.`;
  }

  async function setUp() {
    const { secret, uri, qr_svg } = await guard.pass(() => api.mine("POST", "mfa/totp", {}));
    // As an image: the page's own styles for its drawings do not reach into it.
    const image = Object.assign(document.createElement("img"), {
      className: "qr",
      alt: "A QR code for your authenticator app",
      src: `data:image/svg+xml,${encodeURIComponent(qr_svg)}`,
    });
    const link = Object.assign(document.createElement("a"), { href: uri, textContent: "Open in an app on this device" });
    const text = Object.assign(document.createElement("p"), { className: "secret", textContent: secret });
    text.dataset.testid = "totp-secret";
    const confirmed = await ask({
      title: "Set up your authenticator app",
      body: [hint("Scan this with the app, or type the key into it."), image, text, link],
      fields: [
        codeField("The code that the app shows"),
        endOthers(),
      ],
      submit: "Turn on",
      work: (given) => guard.pass(() => api.mine("POST", "mfa/totp/confirm", given)),
    });
    if (confirmed === null) return;
    sessionsChanged();
    await refresh();
    await showCodes(confirmed.recovery_codes);
    notice("Your second factor is on.");
  }

  async function turnOff() {
    const off = await ask({
      title: "Turn off the second factor?",
      text: "From then on your password alone opens the account.",
      fields: [endOthers()],
      submit: "Turn off",
      danger: true,
      work: async ({ end_other_sessions: ends }) => {
        await guard.pass(() => api.mine("DELETE", `mfa/totp?end_other_sessions=${ends}`));
        return true;
      },
    });
    if (off === null) return;
    sessionsChanged();
    await refresh();
    notice("Your second factor is off.");
  }

  toggle.addEventListener("click", attempt(notice, () => (isOn ? turnOff() : setUp())));
  byId("recovery-new").addEventListener("click", attempt(notice, async () => {
    const { recovery_codes } = await guard.pass(() => api.mine("POST", "mfa/recovery-codes", {}));
    await showCodes(recovery_codes);
    await refresh();
  }));
  reading(byId("factor-rows"), "Your second factor", refresh);
}

function showCodes(codes) {
  const list = Object.assign(document.createElement("ul"), { className: "secret secret-list" });
  list.dataset.testid = "recovery-codes";
  list.append(...codes.map((code) => Object.assign(document.createElement("li"), { textContent: code })));
  return ask({
    title: "Keep these recovery codes",
    body: [hint("Each gets you in once when your phone is not at hand. They are not shown again."), list],
    submit: "I have kept them",
    work: () => true,
  });
}

const suggestedName = () => navigator.userAgentData?.platform || "My passkey";

// Where the person is logged in, and the keys that programs of theirs use.

import { ask, hint } from "./ask.js";
import { attempt, moment, reading, row } from "./account-rows.js";
import { byId } from "./dom.js";

const DAY_MS = 86_400_000;

/** Gives what reads the sessions anew, for when they changed by what was done elsewhere on the page. */
export function mountSessions({ api, guard, notice }) {
  const show = () => reading(byId("sessions-list"), "The places where you are logged in", refresh);

  async function refresh() {
    const { items } = await api.mine("GET", "sessions?limit=100");
    byId("sessions-list").replaceChildren(...items.map((session) => row({
      title: session.device.name,
      badge: session.current ? "this one" : "",
      text: `${session.ip} · last used ${moment(session.last_used_at)}`,
      notice,
      actions: [
        ["Rename", () => rename(session), "session-rename"],
        ...(session.current ? [] : [["End", () => end(session), "session-end"]]),
      ],
    })));
  }

  async function rename({ id, device }) {
    const renamed = await ask({
      title: "Name this device",
      fields: [{ name: "name", label: "Name", value: device.name, maxlength: 100 }],
      submit: "Save",
      work: ({ name }) => api.mine("PATCH", `sessions/${id}`, { name }),
    });
    if (renamed !== null) await refresh();
  }

  async function end({ id, device }) {
    await api.mine("DELETE", `sessions/${id}`);
    await refresh();
    notice(`${device.name} is logged out.`);
  }

  byId("logout-all").addEventListener("click", attempt(notice, async () => {
    await api.mine("POST", "logout-all", {});
    location.reload();
  }));

  guard.addEventListener("confirmed", show);
  show();
  return show;
}

export function mountKeys({ api, guard, notice }) {
  async function refresh() {
    const { items } = await api.mine("GET", "api-keys?limit=100");
    byId("keys-list").replaceChildren(...items.map((key) => row({
      title: key.name,
      text: [`plz_${key.prefix}_…`, key.scopes.join(", "), key.expires_at ? `until ${moment(key.expires_at)}` : "without end"].join(" · "),
      notice,
      actions: [["Revoke", () => revoke(key), "key-revoke"]],
    })));
  }

  async function revoke({ id, name }) {
    await guard.pass(() => api.mine("DELETE", `api-keys/${id}`));
    await refresh();
    notice(`The key ${name} is revoked.`);
  }

  byId("key-add").addEventListener("click", attempt(notice, async () => {
    const { items: scopes } = await api.mine("GET", "api-keys/scopes");
    const made = await ask({
      title: "New API key",
      fields: [
        { name: "name", label: "What is it for?", maxlength: 100 },
        {
          name: "scopes",
          label: "What may it reach?",
          type: "checkbox",
          options: scopes.map(({ name }) => ({ value: name, label: name.replace(":", ", ") })),
        },
        { name: "days", label: "Days until it expires", type: "number", min: 1, max: 3650, value: "365", hint: "Empty: it does not expire.", required: false },
      ],
      submit: "Make the key",
      work: ({ name, scopes, days }) => {
        const expires_at = days ? new Date(Date.now() + days * DAY_MS).toISOString() : null;
        return guard.pass(() => api.mine("POST", "api-keys", { name, scopes, expires_at }));
      },
    });
    if (made === null) return;
    await refresh();
    const secret = Object.assign(document.createElement("p"), { className: "secret", textContent: made.key });
    secret.dataset.testid = "key-secret";
    await ask({
      title: "Your new key",
      body: [hint("Copy it now: it is not shown again."), secret],
      submit: "I have it",
      work: () => true,
    });
  }));

  reading(byId("keys-list"), "Your API keys", refresh);
}

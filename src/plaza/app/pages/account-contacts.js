// The e-mail address and the phone number: a new one counts once its code is entered.

import { ask, codeField } from "./ask.js";
import { byId } from "./dom.js";
import { attempt, reading } from "./account-rows.js";

export function mountContacts({ api, guard, notice, show }) {
  async function refresh() {
    const user = await api.mine("GET", "user");
    byId("contact-email").textContent = user.email ?? "None";
    byId("contact-phone").textContent = user.phone ?? "None";
    byId("email-change").textContent = user.email ? "Change" : "Add";
    byId("phone-change").textContent = user.phone ? "Change" : "Add";
    show(user);
  }

  const changeOf = ({ kind, field, send, confirm, sent, done }) => async () => {
    const address = await ask({
      title: `New ${kind}`,
      text: sent,
      fields: [field],
      submit: "Send a code",
      work: async (values) => {
        await guard.pass(() => send(values[field.name]));
        return values[field.name];
      },
    });
    if (address === null) return;
    const changed = await ask({
      title: "Enter the code",
      text: `We sent a six-digit code to ${address}.`,
      fields: [codeField("Six-digit code")],
      submit: "Confirm",
      work: async ({ code }) => {
        await guard.pass(() => confirm(address, code));
        return true;
      },
    });
    if (changed === null) return;
    await refresh();
    notice(done);
  };

  byId("email-change").addEventListener("click", attempt(notice, changeOf({
    kind: "e-mail address",
    field: { name: "email", label: "E-mail", type: "email", autocomplete: "email", maxlength: 254 },
    sent: "The new address gets a code. The old one is told, and can take it back for three days.",
    send: (email) => api.mine("POST", "email/change", { email }),
    confirm: (_, code) => api.mine("POST", "email/change/confirm", { code }),
    done: "Your e-mail address is changed.",
  })));
  byId("phone-change").addEventListener("click", attempt(notice, changeOf({
    kind: "phone number",
    field: { name: "phone", label: "Phone number", type: "tel", autocomplete: "tel", placeholder: "+49 151 23456789" },
    sent: "With the country's prefix. We text a code to it.",
    send: (phone) => api.mine("POST", "phone/send-code", { phone }),
    confirm: (phone, code) => api.enter("phone/verify-code", { phone, code }),
    done: "Your phone number is changed.",
  })));
  reading(byId("contacts-rows"), "Your addresses", refresh);
}

// Ways into groups: being asked by somebody, and links that anybody may pass on.

import { ask } from "./ask.js";
import { byId, clone, part, reconcile } from "./dom.js";
import { counted } from "./format.js";
import { trying } from "./toast.js";

const LINK = /^#join=([\w-]+)$/u;
const KEPT_AS = "plaza-join";

/** Remembers an invite link that led here, until somebody is logged in, and takes it out of the address. */
export function takeInvite() {
  const [, code] = LINK.exec(location.hash) ?? [];
  if (code === undefined) return;
  sessionStorage.setItem(KEPT_AS, code);
  history.replaceState(null, "", location.pathname + location.search);
}

export const inviteAddress = (code) => `${location.origin}/#join=${code}`;

export function mountInvites({ store, api, go, connection, signal }) {
  const list = byId("invites");

  async function read() {
    let items;
    try {
      ({ items } = await api.invites());
    } catch {
      return; // the next `ready` asks again
    }
    list.hidden = items.length === 0;
    reconcile(list, items.map((invite) => ({
      key: invite.conversation_id,
      signature: JSON.stringify(invite),
      make: () => clone("invite-template"),
      update: (node) => paint(node, invite),
    })));
  }

  function paint(node, { conversation_id: id, title, participant_count: count, invited_by_name: by }) {
    part(node, "text").textContent = `${by || "Somebody"} asks you into ${title} (${counted(count, "person", "people")})`;
    part(node, "accept").onclick = () => trying(async () => {
      store.add(await api.acceptInvite(id));
      go(`c/${id}`);
    });
    part(node, "decline").onclick = () => trying(() => api.declineInvite(id));
  }

  async function followLink() {
    takeInvite();
    const code = sessionStorage.getItem(KEPT_AS);
    if (code === null) return;
    sessionStorage.removeItem(KEPT_AS);
    const joined = await ask({
      name: "join",
      title: "Join a group?",
      text: "You followed an invite link. Those in the group will see that you joined.",
      submit: "Join",
      work: () => api.join(code),
    });
    if (joined === null) return;
    store.add(joined);
    go(`c/${joined.id}`);
  }

  store.addEventListener("sync", ({ detail }) => {
    if (detail === "invites") read();
  }, { signal });
  connection.addEventListener("ready", read, { signal });
  addEventListener("hashchange", () => {
    if (LINK.test(location.hash)) followLink();
  }, { signal });
  signal.addEventListener("abort", () => list.replaceChildren());
  followLink();
}

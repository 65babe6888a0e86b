// Links into a group: made, passed on and revoked by those who run it.

import { byId, clone, part } from "./dom.js";
import { counted, dayAndTime } from "./format.js";
import { inviteAddress } from "./invites.js";
import { toast, trying } from "./toast.js";

const WEEK = 7 * 24 * 3_600_000;

export function mountInviteLinks({ api, signal }) {
  const list = byId("links");
  let conversation = null;

  const read = () => trying(async () => {
    const where = conversation;
    const { items } = await api.inviteLinks(where.id);
    if (where === conversation) list.replaceChildren(...items.map((link) => row(link)));
  });

  function row({ code, uses, max_uses: most, expires_at: until }) {
    const item = clone("link-template");
    const address = part(item, "address");
    address.value = inviteAddress(code);
    part(item, "facts").textContent = [
      `used ${counted(uses, "time")}${most === null ? "" : ` of ${most}`}`,
      until === null ? "holds until revoked" : `holds until ${dayAndTime(until)}`,
    ].join(" · ");
    part(item, "copy").addEventListener("click", () => trying(async () => {
      address.select();
      await navigator.clipboard.writeText(address.value);
      toast("The link is copied.");
    }));
    part(item, "revoke").addEventListener("click", () => trying(async () => {
      await api.revokeInviteLink(conversation.id, code);
      item.remove();
    }));
    return item;
  }

  byId("link-make").addEventListener("click", () => trying(async () => {
    const isShort = byId("link-week").checked;
    const body = isShort ? { expires_at: new Date(Date.now() + WEEK).toISOString() } : {};
    list.prepend(row(await api.createInviteLink(conversation.id, body)));
  }), { signal });

  return {
    show(where, runsIt) {
      byId("links-section").hidden = !runsIt;
      conversation = where;
      list.replaceChildren();
      if (runsIt) read();
    },
  };
}

// The head of the open conversation: what it is called, who is there, and what can be done with all of it.

import { ask } from "./ask.js";
import { byId, paintAvatar } from "./dom.js";
import { presenceText } from "./format.js";
import { openMenu } from "./menu.js";
import { isMuted } from "./store.js";
import { trying } from "./toast.js";

const HOUR = 3_600_000;
const MANY = 12; // names of more people would be cut off anyway

export function mountConversationHead({ store, api, presence, people, go, search, signal }, opened) {
  const update = (work) => trying(async () => store.update(await work()));

  const mute = ({ id }) => {
    const choice = (label, testId, how) => ({ label, testId, work: () => update(() => api.mute(id, how())) });
    openMenu(byId("conversation-menu"), "Mute for how long", [
      choice("For an hour", "mute-hour", () => ({ until: in_(HOUR) })),
      choice("Until tomorrow", "mute-day", () => ({ until: in_(24 * HOUR) })),
      choice("Until I unmute it", "mute-forever", () => ({})),
      choice("Until I unmute it, but for mentions", "mute-mentions", () => ({ notifications: "mentions" })),
    ]);
  };

  const leave = (conversation) => ask({
    name: "leave",
    title: `Leave ${store.titleOf(conversation)}?`,
    text: conversation.kind === "group"
      ? "The group stays for the others. You come back by being added, or by an invite link."
      : "It goes from your list, and comes back when one of you writes again.",
    submit: "Leave",
    danger: true,
    work: () => api.leave(conversation.id),
  });

  const destroy = (conversation) => ask({
    name: "delete-group",
    title: `Delete ${store.titleOf(conversation)}?`,
    text: "It is gone for everybody in it, with everything that was written.",
    submit: "Delete",
    danger: true,
    work: () => api.deleteConversation(conversation.id),
  });

  byId("conversation-menu").addEventListener("click", ({ currentTarget: anchor }) => {
    const conversation = opened();
    const { id, kind, my, peer } = conversation;
    const isGroup = kind === "group";
    openMenu(anchor, "About this conversation", [
      { label: "Search here", testId: "menu-search", work: () => search.begin(conversation) },
      { label: "Pinned messages", testId: "menu-pins", work: () => go(`c/${id}/pins`) },
      isGroup && { label: "People and settings", testId: "menu-people", work: () => go(`c/${id}/people`) },
      isMuted(conversation)
        ? { label: "Unmute", testId: "menu-unmute", work: () => update(() => api.unmute(id)) }
        : { label: "Mute…", testId: "menu-mute", work: () => mute(conversation) },
      my.archived_at
        ? { label: "Back to the list", testId: "menu-unarchive", work: () => update(() => api.unarchive(id)) }
        : { label: "Archive", testId: "menu-archive", work: () => update(() => api.archive(id)) },
      peer && { label: "Report…", testId: "menu-report", work: () => people.reportPerson(peer.user_id) },
      peer && {
        label: people.isBlocked(peer.user_id) ? "Unblock" : "Block…",
        testId: "menu-block",
        work: () => people.toggleBlock(peer.user_id),
      },
      { label: "Leave…", testId: "menu-leave", danger: true, work: () => leave(conversation) },
      isGroup && my.role === "owner"
        && { label: "Delete group…", testId: "menu-delete", danger: true, work: () => destroy(conversation) },
    ]);
  }, { signal });
  byId("show-people").addEventListener("click", () => go(`c/${opened().id}/people`), { signal });
  byId("show-pins").addEventListener("click", () => go(`c/${opened().id}/pins`), { signal });

  function paint() {
    const conversation = opened();
    const name = store.titleOf(conversation);
    const direct = conversation.kind === "direct";
    byId("thread-title").textContent = name;
    paintAvatar(byId("thread-avatar"), { name, group: !direct });
    const status = direct && conversation.peer ? presence.of(conversation.peer.user_id) : null;
    byId("presence").hidden = status === null;
    if (status) {
      byId("presence").dataset.status = status.status;
      byId("presence-text").textContent = presenceText(status);
    }
    byId("thread-members").hidden = direct;
    byId("thread-members").textContent = direct ? "" : members(conversation, store);
    byId("show-people").hidden = direct;
    byId("thread-muted").hidden = !isMuted(conversation);
  }

  return { paint };
}

const in_ = (ms) => new Date(Date.now() + ms).toISOString();

function members(conversation, store) {
  const { participants, participant_count: count } = conversation;
  if (!participants || count > MANY) return `${count} people`;
  const others = [...participants.keys()].filter((id) => id !== store.me.id).map(store.nameOf);
  return [...others, "you"].join(", ");
}

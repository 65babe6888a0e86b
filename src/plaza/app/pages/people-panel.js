// Who is in a group, with which part, and what those who run it can do.

import { ask } from "./ask.js";
import { byId, clone, paintAvatar, part, reconcile } from "./dom.js";
import { counted, presenceText } from "./format.js";
import { mountGroupSettings } from "./group-settings.js";
import { mountInviteLinks } from "./invite-links.js";
import { openMenu } from "./menu.js";
import { batched } from "./schedule.js";
import { toast, trying } from "./toast.js";

const ROLES = { owner: "Owner", admin: "Admin", member: "" };

export function mountPeoplePanel(parts) {
  const { store, api, presence, people, go, signal } = parts;
  const list = byId("people");
  const input = byId("people-input");
  const links = mountInviteLinks(parts);
  const settings = mountGroupSettings(parts);
  let conversation = null;
  let ranBy = null;

  const runsIt = () => conversation.my.role !== "member";

  const render = batched(() => {
    if (conversation === null || signal.aborted) return;
    const members = [...(conversation.participants?.values() ?? [])];
    presence.watch(members.map((each) => each.user_id));
    byId("people-count").textContent = counted(conversation.participant_count, "person", "people");
    byId("people-form").hidden = !runsIt();
    reconcile(list, members.map((each) => row(each)));
    settings.show(conversation, runsIt());
    if (ranBy !== conversation.my.role) links.show(conversation, runsIt());
    ranBy = conversation.my.role;
  });

  function row(member) {
    const isMe = member.user_id === store.me.id;
    const status = presence.of(member.user_id);
    const marks = [isMe && "you", ROLES[member.role], people.isBlocked(member.user_id) && "blocked"].filter(Boolean);
    const shown = { name: member.display_name, marks: marks.join(" · "), status: status?.status ?? null, isMe };
    return {
      key: member.user_id,
      signature: JSON.stringify([shown, member.role, conversation.my.role]),
      make: () => clone("person-template"),
      update(node) {
        paintAvatar(part(node, "avatar"), { name: shown.name });
        part(node, "name").textContent = shown.name || "Former member";
        part(node, "marks").textContent = shown.marks;
        const dot = part(node, "presence");
        dot.hidden = isMe || status === null || shown.status === "offline";
        dot.dataset.status = shown.status ?? "";
        part(node, "status").textContent = isMe || status === null ? "" : presenceText(status);
        const more = part(node, "more");
        more.hidden = isMe;
        more.setAttribute("aria-label", `What to do about ${shown.name}`);
        more.onclick = () => openMenu(more, shown.name, choices(member));
      },
    };
  }

  function choices({ user_id: id, display_name: name, role }) {
    const { role: mine } = conversation.my;
    const removes = mine === "owner" || (mine === "admin" && role === "member");
    return [
      { label: "Write to them", testId: "person-write", work: () => write(id) },
      mine === "owner" && (role === "admin"
        ? { label: "Make a member", testId: "person-member", work: () => changeRole(id, "member") }
        : { label: "Make an admin", testId: "person-admin", work: () => changeRole(id, "admin") }),
      mine === "owner" && { label: "Hand the group over…", testId: "person-owner", work: () => handOver(id, name) },
      { label: people.isBlocked(id) ? "Unblock" : "Block…", testId: "person-block", work: () => people.toggleBlock(id) },
      { label: "Report…", testId: "person-report", work: () => people.reportPerson(id) },
      removes && { label: "Remove…", testId: "person-remove", danger: true, work: () => remove(id, name) },
    ];
  }

  const changeRole = (id, role) => trying(() => api.changeRole(conversation.id, id, role));

  const write = (id) => trying(async () => {
    const view = await api.createConversation({ kind: "direct", member_ids: [id] });
    store.add(view);
    go(`c/${view.id}`);
  });

  const handOver = (id, name) => ask({
    name: "hand-over",
    title: `Hand the group over to ${name}?`,
    text: "You stay as an admin. Only the new owner can give it back.",
    submit: "Hand over",
    danger: true,
    work: async () => store.update(await api.transferOwnership(conversation.id, id)),
  });

  const remove = (id, name) => ask({
    name: "remove-person",
    title: `Remove ${name}?`,
    text: "They can read nothing of the group any more, and come back only by being added.",
    submit: "Remove",
    danger: true,
    work: () => api.removeParticipant(conversation.id, id),
  });

  byId("people-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === "") return;
    const problem = byId("people-problem");
    problem.hidden = true;
    try {
      const card = await parts.lookup(text);
      const added = await api.addParticipant(conversation.id, card.id);
      input.value = "";
      if (added.joined_at === null) toast(`${card.display_name} was asked, and is here after saying yes.`);
    } catch (error) {
      const isNobody = error.code === "USER_NOT_FOUND";
      problem.textContent = isNobody ? "Nobody was found by exactly that. Please check the spelling." : error.message;
      problem.hidden = false;
    }
    input.focus();
  }, { signal });
  store.addEventListener("conversation", ({ detail: id }) => {
    if (id === conversation?.id) render();
  }, { signal });
  presence.addEventListener("change", render, { signal });
  parts.blocks.addEventListener("change", render, { signal });

  return {
    title: "People and settings",
    open(where) {
      conversation = where;
      ranBy = null;
      input.value = "";
      byId("people-problem").hidden = true;
      list.replaceChildren();
      store.loadParticipants(where).catch((error) => toast(error.message));
      render();
    },
    close() {
      conversation = null;
    },
  };
}

// The routes of chat, by what the page does with them. Ids come from the server and need no escaping; emoji and codes do.

const EVERYTHING = 100; // the most that one page of a list holds: what few people have more of is not asked further

/** All items of a list, of which `page(cursor)` reads one page. */
export async function everything(page) {
  const found = [];
  let cursor = null;
  do {
    const read = await page(cursor);
    found.push(...read.items);
    cursor = read.next_cursor;
  } while (cursor !== null);
  return found;
}

export function chatApi(api) {
  const get = (route, values = {}) => api.chat("GET", `${route}?${query(values)}`);
  const post = (route, body = {}) => api.chat("POST", route, body);
  const remove = (route) => api.chat("DELETE", route);
  const at = (id) => `conversations/${id}`;
  const message = ({ conversation_id: conversationId, id }) => `${at(conversationId)}/messages/${id}`;

  return {
    now: () => api.now(),
    conversations: (cursor = null) => get("conversations", { limit: 30, cursor }),
    conversation: (id) => get(at(id)),
    createConversation: (body) => post("conversations", body),
    changeConversation: (id, body) => api.chat("PATCH", at(id), body),
    deleteConversation: (id) => remove(at(id)),
    leave: (id) => post(`${at(id)}/leave`),
    mute: (id, { until = null, notifications = "none" } = {}) => post(`${at(id)}/mute`, { until, notifications }),
    unmute: (id) => post(`${at(id)}/unmute`),
    archive: (id) => post(`${at(id)}/archive`),
    unarchive: (id) => post(`${at(id)}/unarchive`),

    participants: (id, cursor = null) => get(`${at(id)}/participants`, { limit: EVERYTHING, cursor }),
    addParticipant: (id, userId) => post(`${at(id)}/participants`, { user_id: userId }),
    changeRole: (id, userId, role) => api.chat("PATCH", `${at(id)}/participants/${userId}`, { role }),
    removeParticipant: (id, userId) => remove(`${at(id)}/participants/${userId}`),
    transferOwnership: (id, userId) => post(`${at(id)}/transfer-ownership`, { user_id: userId }),

    inviteLinks: (id) => get(`${at(id)}/invite-links`, { limit: EVERYTHING }),
    createInviteLink: (id, body) => post(`${at(id)}/invite-links`, body),
    revokeInviteLink: (id, code) => remove(`${at(id)}/invite-links/${encodeURIComponent(code)}`),
    join: (code) => post(`invite-links/${encodeURIComponent(code)}/join`),
    invites: () => get("invites", { limit: EVERYTHING }),
    acceptInvite: (id) => post(`invites/${id}/accept`),
    declineInvite: (id) => post(`invites/${id}/decline`),

    /** One of beforeSeq, afterSeq, aroundSeq, or none for the newest. */
    messages: (id, { limit, beforeSeq = null, afterSeq = null, aroundSeq = null }) =>
      get(`${at(id)}/messages`, { limit, before_seq: beforeSeq, after_seq: afterSeq, around_seq: aroundSeq }),
    message: (conversationId, id) => get(`${at(conversationId)}/messages/${id}`),
    edit: (of, content) => api.chat("PATCH", message(of), { content }),
    remove: (of) => remove(message(of)),
    history: (of) => get(`${message(of)}/history`, { limit: EVERYTHING }),
    replies: (of, cursor = null) => get(`${message(of)}/replies`, { limit: EVERYTHING, cursor }),
    receipts: (of, cursor = null) => get(`${message(of)}/receipts`, { limit: EVERYTHING, cursor }),
    reactions: (of, cursor = null) => get(`${message(of)}/reactions`, { limit: EVERYTHING, cursor }),
    react: (of, emoji) => post(`${message(of)}/reactions`, { emoji }),
    unreact: (of, emoji) => remove(`${message(of)}/reactions/${encodeURIComponent(emoji)}`),
    pin: (of) => post(`${message(of)}/pin`),
    unpin: (of) => remove(`${message(of)}/pin`),
    pins: (id) => get(`${at(id)}/pins`, { limit: EVERYTHING }),
    save: (of) => post(`${message(of)}/save`),
    forget: (of) => remove(`${message(of)}/save`),
    saved: (cursor = null) => get("saved", { limit: 30, cursor }),
    search: (text, { conversationId = null, cursor = null } = {}) =>
      get("messages/search", { q: text, conversation_id: conversationId, limit: 20, cursor }),

    unread: () => get("unread"),
    markUnread: (id, seq) => post(`${at(id)}/unread`, { seq }),
    drafts: (cursor = null) => get("drafts", { limit: EVERYTHING, cursor }),
    putDraft: (id, content) => api.chat("PUT", `drafts/${id}`, { content }),
    removeDraft: (id) => remove(`drafts/${id}`),
    scheduled: () => get("scheduled", { limit: EVERYTHING }),
    schedule: (id, content, sendAt) => post("scheduled", { conversation_id: id, content, send_at: sendAt }),
    cancelScheduled: (id) => remove(`scheduled/${id}`),

    presence: (userIds) => post("presence/bulk", { user_ids: userIds }),
    choosePresence: (status) => post("presence", { status }),
    blocks: (cursor = null) => get("blocks", { limit: EVERYTHING, cursor }),
    block: (userId) => post("blocks", { user_id: userId }),
    unblock: (userId) => remove(`blocks/${userId}`),
    report: (body) => post("reports", body),
  };
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}

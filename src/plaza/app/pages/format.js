// How times, people and system messages are written for people.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDate = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
/** Whole calendar days between then and now; rounding keeps days of 23 and 25 hours whole. */
const daysAgo = (date) => Math.round((startOfDay(new Date()) - startOfDay(date)) / DAY);

export const clockTime = (iso) => clock.format(new Date(iso));
export const exactTime = (iso) => dateAndTime.format(new Date(iso));
export const dayKey = (iso) => startOfDay(new Date(iso)).toISOString();

export function dayLabel(iso) {
  const date = new Date(iso);
  return ["Today", "Yesterday"][daysAgo(date)] ?? fullDate.format(date);
}

export function listTime(iso) {
  const date = new Date(iso);
  const days = daysAgo(date);
  if (days <= 0) return clock.format(date);
  return days < 7 ? weekday.format(date) : shortDate.format(date);
}

const STATUS = { online: "Online", away: "Away", dnd: "Do not disturb" };

export function presenceText(presence) {
  if (presence.status in STATUS) return STATUS[presence.status];
  if (!presence.last_seen_at) return "Offline";
  const seen = new Date(presence.last_seen_at);
  const minutes = Math.floor((Date.now() - seen) / MINUTE);
  if (minutes < 1) return "Last seen just now";
  if (minutes < 60) return `Last seen ${minutes} min ago`;
  return `Last seen ${daysAgo(seen) === 0 ? "at" : "on"} ${listTime(presence.last_seen_at)}`;
}

/** `nameOf(userId)` answers "You" for the reader, so each sentence must hold with it. */
const SYSTEM = {
  group_created: ({ actor }) => `${actor} created the group`,
  participant_added: ({ actor, subject }) => (actor === subject ? `${subject} joined` : `${actor} added ${inside(subject)}`),
  participant_removed: ({ actor, subject }) => `${actor} removed ${inside(subject)}`,
  participant_left: ({ subject }) => `${subject} left`,
  role_changed: ({ actor, subject, role }) => `${actor} made ${inside(subject)} ${role === "admin" ? "an" : "a"} ${role}`,
  ownership_transferred: ({ actor, subject }) => `${actor} handed the group over to ${inside(subject)}`,
  title_changed: ({ actor, title }) => `${actor} named the group “${title}”`,
};

const inside = (name) => (name === "You" ? "you" : name);

export function systemText(message, nameOf) {
  const { event, data = {} } = message.system ?? {};
  const write = SYSTEM[event];
  if (write === undefined) return message.content || "The conversation changed";
  const actorId = data.actor_id ?? data.user_id;
  const subjectId = data.user_id ?? data.actor_id;
  return write({ actor: nameOf(actorId), subject: nameOf(subjectId), role: data.role, title: data.title });
}

export function messageText(message, nameOf) {
  if (message.type === "system") return systemText(message, nameOf);
  return message.deleted_at ? "This message was deleted" : message.content;
}

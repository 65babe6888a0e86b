// How times, people and system messages are written for people.

import { plainText } from "./rich-text.js";

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
/** "Today at 14:05" */
export const dayAndTime = (iso) => `${dayLabel(iso)} at ${clockTime(iso)}`;
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

export const STATUS = { online: "Online", away: "Away", dnd: "Do not disturb" };

export function presenceText(presence) {
  if (presence.status in STATUS) return STATUS[presence.status];
  if (!presence.last_seen_at) return "Offline";
  const seen = new Date(presence.last_seen_at);
  const minutes = Math.floor((Date.now() - seen) / MINUTE);
  if (minutes < 1) return "Last seen just now";
  if (minutes < 60) return `Last seen ${minutes} min ago`;
  return `Last seen ${daysAgo(seen) === 0 ? "at" : "on"} ${listTime(presence.last_seen_at)}`;
}

/** Each sentence holds with a name as with "You"; `actor` is null where the event does not tell who did it. */
const SYSTEM = {
  group_created: ({ actor }) => (actor ? `${actor} created the group` : "The group was created"),
  participant_added: ({ actor, subject }) =>
    actor && actor !== subject ? `${actor} added ${subject === "You" ? "you" : subject}` : `${subject} joined`,
  participant_removed: ({ subject }) => `${subject} ${subject === "You" ? "were" : "was"} removed`,
  participant_left: ({ subject }) => `${subject} left`,
  role_changed: ({ subject, role }) => `${subject} ${be(subject)} now ${role === "admin" ? "an admin" : `a ${role}`}`,
  ownership_transferred: ({ subject }) => `${subject} ${be(subject)} now the owner`,
  title_changed: ({ title }) => `The group is now called “${title}”`,
};

const be = (name) => (name === "You" ? "are" : "is");

/** `nameOf(userId)` answers "You" for the reader. */
export function systemText(message, nameOf) {
  const { event, data = {} } = message.system ?? {};
  const write = SYSTEM[event];
  if (write === undefined) return message.content || "The conversation changed";
  const actor = data.actor_id ? nameOf(data.actor_id) : null;
  return write({ actor, subject: nameOf(data.user_id), role: data.role, title: data.title });
}

/** Without markup, for previews and for what is read out. `store` knows the names. */
export function messageText(message, store) {
  if (message.type === "system") return systemText(message, store.nameOf);
  return message.deleted_at ? TOMBSTONE : plainText(message.content, store.nameInText);
}

export const TOMBSTONE = "This message was deleted";

/** "one reply", "2 replies" */
export const counted = (count, one, many = `${one}s`) => (count === 1 ? `1 ${one}` : `${count} ${many}`);

export const typingText = (names) => {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return `${names[0]}, ${names[1]} and ${counted(names.length - 2, "other")} are typing…`;
};

"""Where the program and the model must agree: lists and counts, history, the events feed, and what sockets were told."""

from __future__ import annotations

from typing import Any

from tests.chat.model.model import Conversation, Message, Model, Refused
from tests.chat.model.world import Person, World


class Comparing:
    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def model(self) -> Model:
        return self.world.model

    async def everything(self) -> None:
        for person in self.world.people:
            await self.lists(person)
            for c in self.model.conversations:
                await self.conversation(person, c)
            if person.line is not None:
                await self.told(person)

    async def lists(self, person: Person) -> None:
        """The list of conversations with its counts and previews, and the sum of what is unread."""
        mine = [each for each in self.model.conversations if person.id in each.members]
        mine.sort(key=lambda each: (each.active_at, each.id), reverse=True)
        shown = await person.all("conversations")
        self._count("list", [_seen_in_list(each) for each in shown], [_in_list(each, person.id) for each in mine])
        counts = {each.id: each.unread(person.id) for each in mine}
        self._count(
            "unread",
            await person.get("unread"),
            {
                "unread": sum(unread for unread, _ in counts.values()),
                "mentions": sum(mentions for _, mentions in counts.values()),
                "conversations": [
                    {"conversation_id": id, "unread": unread, "mentions": mentions}
                    for id, (unread, mentions) in counts.items()
                    if unread
                ],
            },
        )

    async def conversation(self, person: Person, c: Conversation) -> None:
        """Its history and its log, or the code that keeps this one out."""
        try:
            self.model.enter(c, person.id)
        except Refused as refused:
            for path in ("messages", "events", "participants"):
                code, _ = await person.ask("GET", f"conversations/{c.id}/{path}")
                self._count("refusal", code, refused.code)
            return
        history = await person.all(f"conversations/{c.id}/messages", after_seq=0)
        self._count(
            "history",
            [_seen(each, person.id) for each in history],
            [_message(c, each, person.id) for each in c.messages],
        )
        for message, seen in zip(c.messages, history, strict=True):
            message.id = seen["id"]
        feed = await person.all(f"conversations/{c.id}/events", after_seq=0)
        self._count("log", list(map(_entry, feed)), _log(c))
        people = await person.all(f"conversations/{c.id}/participants")
        self._count(
            "participants",
            [(each["user_id"], each["role"], each["last_read_seq"]) for each in people],
            [(id, each.role, self.model.marker(c, id, person.id)) for id, each in c.members.items()],
        )

    async def told(self, person: Person) -> None:
        """What the socket said: the whole log of each conversation once and in order, which gives its history; and the counts."""
        assert person.line is not None
        mine = [each for each in self.model.conversations if person.id in each.members]
        await person.line.reaches({each.id: len(each.log) for each in mine})
        for c in mine:
            self._count("told", person.replica.entries[c.id], _log(c))
            known = person.replica.messages[c.id]
            wanted = {each.id: _public(_message(c, each, person.id)) for each in c.messages}
            self._count("replica", {id: _public(_seen(each, person.id)) for id, each in known.items()}, wanted)
        self._count("badges", person.replica.badges, self.world.badges[person.id])

    def _count(self, what: str, found: Any, wanted: Any) -> None:
        self.world.tally[f"compared: {what}"] += 1
        assert found == wanted, f"{what} is\n{found}\nand should be\n{wanted}"


def _log(c: Conversation) -> list[tuple[int, str, str]]:
    return [(seq, type, message.id) for seq, (type, message) in enumerate(c.log, 1)]


def _entry(frame: dict[str, Any]) -> tuple[int, str, str]:
    return frame["seq"], frame["type"], frame.get("message_id") or frame["message"]["id"]


def _message(c: Conversation, each: Message, reader: str) -> dict[str, Any]:
    return {
        "seq": each.seq,
        "sender": each.sender,
        "text": each.text,
        "event": each.event,
        "parent": each.parent and each.parent.id,
        "replies": c.replies(each),
        "mentions": each.mentions,
        "reactions": {emoji: len(who) for emoji, who in each.reactions.items()},
        "mine": {emoji for emoji, who in each.reactions.items() if reader in who},
        "edits": each.edits,
        "is_deleted": each.is_deleted,
    }


def _seen(shown: dict[str, Any], reader: str) -> dict[str, Any]:
    """The same of what the program answers."""
    return {
        "seq": shown["seq"],
        "sender": shown["sender_id"],
        "text": shown["content"],
        "event": shown["system"]["event"] if shown["system"] else "",
        "parent": shown["parent_id"],
        "replies": shown["reply_count"],
        "mentions": set(shown["mentions"]),
        "reactions": shown["reactions"],
        "mine": set(shown.get("my_reactions", ())),
        "edits": shown["edit_count"],
        "is_deleted": shown["deleted_at"] is not None,
    }


def _public(message: dict[str, Any]) -> dict[str, Any]:
    """What frames tell: counters take no seq, and what is personal is not for everybody."""
    return {name: value for name, value in message.items() if name not in ("replies", "mine")}


def _in_list(c: Conversation, who: str) -> dict[str, Any]:
    mine = c.members[who]
    unread, mentions = c.unread(who)
    return {
        "id": c.id,
        "kind": "group" if c.is_group else "direct",
        "participant_count": len(c.members),
        "last_seq": len(c.log),
        "last_message": _message(c, c.messages[-1], who) if c.messages else None,
        "role": mine.role,
        "last_read_seq": mine.read,
        "is_muted": mine.is_muted,
        "unread": unread,
        "mentions": mentions,
    }


def _seen_in_list(shown: dict[str, Any]) -> dict[str, Any]:
    mine, last = shown["my"], shown["last_message"]
    return {
        "id": shown["id"],
        "kind": shown["kind"],
        "participant_count": shown["participant_count"],
        "last_seq": shown["last_seq"],
        "last_message": None if last is None else _seen(last, ""),
        "role": mine["role"],
        "last_read_seq": mine["last_read_seq"],
        "is_muted": mine["muted_until"] is not None,
        "unread": mine["unread"],
        "mentions": mine["mentions"],
    }

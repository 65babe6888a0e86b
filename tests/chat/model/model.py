"""Chat as plain Python: what each operation makes of conversations, or the code with which it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_EDITS, MAX_OWN_EMOJI = 10, 5


class Refused(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Message:
    """A text, or an event that the system tells (no sender). `id` is learned from the server."""

    seq: int
    sender: str | None
    text: str = ""
    event: str = ""
    parent: Message | None = None
    mentions: set[str] = field(default_factory=set)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edits: int = 0
    is_deleted: bool = False
    id: str = ""


@dataclass
class Member:
    role: str
    read: int
    is_muted: bool = False


@dataclass
class Former:
    read: int
    was_removed: bool


@dataclass(eq=False)
class Conversation:
    """`members` stand in the order in which they joined, `log` in that of seqs: (type of the frame, message).

    `link_by` made the link into a group, and is None once they may not invite any more.
    """

    is_group: bool
    members: dict[str, Member] = field(default_factory=dict)
    former: dict[str, Former] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    log: list[tuple[str, Message]] = field(default_factory=list)
    is_deleted: bool = False
    active_at: int = 0
    id: str = ""
    link: str = ""
    link_by: str | None = None

    def unread(self, who: str) -> tuple[int, int]:
        """Messages, and those of them that name this one."""
        found = [
            each
            for each in self.messages
            if each.seq > self.members[who].read and each.sender not in (None, who) and not each.is_deleted
        ]
        return len(found), sum(who in each.mentions for each in found)

    def replies(self, root: Message) -> int:
        return sum(each.parent is root and not each.is_deleted for each in self.messages)


class Model:
    def __init__(self, people: Iterable[str]) -> None:
        self.people = list(people)
        self.conversations: list[Conversation] = []
        self.blocks: set[tuple[str, str]] = set()
        self.now = 0

    # beginning

    def found(self, who: str, others: list[str]) -> Conversation:
        if any(self.is_between(who, each) for each in others):
            raise Refused("BLOCKED")
        made = Conversation(is_group=True, members={each: Member("member", 0) for each in (who, *others)})
        made.members[who].role = "owner"
        self.conversations.append(made)
        self._tell(made, "group_created")
        return made

    def talk(self, who: str, other: str) -> tuple[Conversation, bool]:
        """And whether it is new."""
        if who == other:
            raise Refused("SAME_USER")
        if self.is_between(who, other):
            raise Refused("BLOCKED")
        pair = sorted((who, other))
        for each in self.conversations:
            if not each.is_group and not each.is_deleted and sorted((*each.members, *each.former)) == pair:
                for absent in [one for one in pair if one in each.former]:
                    self._admit(each, absent, read=each.former[absent].read)
                return each, False
        made = Conversation(is_group=False, members={each: Member("member", 0) for each in pair}, active_at=self.now)
        self.conversations.append(made)
        return made, True

    # messages

    def send(self, c: Conversation, who: str, text: str, parent: Message | None = None) -> Message:
        self.enter(c, who)
        if not text.strip():
            raise Refused("EMPTY_CONTENT")
        self._must_not_be_parted(c)
        if parent is not None and (parent not in c.messages or parent.event):
            raise Refused("INVALID_PARENT")
        root = parent and (parent.parent or parent)
        made = Message(len(c.log) + 1, who, text, parent=root, mentions=self._mentioned(c, who, text))
        self._append(c, made)
        return made

    def edit(self, c: Conversation, who: str, message: Message, text: str) -> None:
        self._open(c, who, message)
        if message.sender != who:
            raise Refused("NOT_AUTHOR")
        self._must_not_be_parted(c)
        if not text.strip():
            raise Refused("EMPTY_CONTENT")
        if text != message.text:
            if message.edits >= MAX_EDITS:
                raise Refused("MAX_EDITS_REACHED")
            message.text, message.edits, message.mentions = text, message.edits + 1, self._mentioned(c, who, text)
            c.log.append(("message.updated", message))

    def delete(self, c: Conversation, who: str, message: Message) -> None:
        self._open(c, who, message)
        if message.sender != who and not (c.is_group and c.members[who].role != "member"):
            raise Refused("PERMISSION_DENIED")
        message.text, message.mentions, message.reactions, message.is_deleted = "", set(), {}, True
        c.log.append(("message.deleted", message))

    def react(self, c: Conversation, who: str, message: Message, emoji: str) -> bool:
        """Whether it is there now."""
        self._open(c, who, message)
        self._must_not_be_parted(c)
        has_added = who not in message.reactions.get(emoji, ())
        if has_added:
            if sum(who in each for each in message.reactions.values()) >= MAX_OWN_EMOJI:
                raise Refused("MAX_REACTIONS_EXCEEDED")
            message.reactions.setdefault(emoji, []).append(who)
        else:
            message.reactions[emoji].remove(who)
            if not message.reactions[emoji]:
                del message.reactions[emoji]
        c.log.append(("reaction.changed", message))
        return has_added

    # one's own

    def read(self, c: Conversation, who: str, seq: int, *, back: bool = False) -> bool:
        """Whether the marker has moved."""
        self.enter(c, who)
        mine, before = c.members[who], c.members[who].read
        mine.read = min(before, max(seq, 0)) if back else max(before, min(seq, len(c.log)))
        return mine.read != before

    def marker(self, c: Conversation, whose: str, reader: str) -> int:
        """How far the one has read, as the other sees it."""
        is_hidden = not c.is_group and self.is_between(whose, reader)
        return 0 if is_hidden else c.members[whose].read

    def mute(self, c: Conversation, who: str, *, on: bool) -> None:
        self.enter(c, who)
        c.members[who].is_muted = on

    def block(self, who: str, other: str, *, on: bool) -> None:
        if on and who == other:
            raise Refused("SAME_USER")
        (self.blocks.add if on else self.blocks.discard)((who, other))

    # coming and going

    def add(self, c: Conversation, who: str, other: str) -> None:
        self._enter_group(c, who)
        if c.members[who].role == "member":
            raise Refused("PERMISSION_DENIED")
        if other in c.members:
            raise Refused("ALREADY_PARTICIPANT")
        if self.is_between(who, other):
            raise Refused("BLOCKED")
        self._admit(c, other, read=len(c.log))

    def join(self, c: Conversation, who: str) -> None:
        """By the link."""
        if c.is_deleted:
            raise Refused("INVITE_NOT_FOUND")
        if who in c.members:
            raise Refused("ALREADY_PARTICIPANT")
        if c.link_by is None:
            raise Refused("INVITE_NOT_FOUND")
        if who in c.former and c.former[who].was_removed:
            raise Refused("PERMISSION_DENIED")
        self._admit(c, who, read=len(c.log))

    def remove(self, c: Conversation, who: str, other: str) -> None:
        self._enter_group(c, who)
        if who == other:
            raise Refused("CANNOT_REMOVE_SELF")
        if c.members[who].role == "member":
            raise Refused("PERMISSION_DENIED")
        if other not in c.members:
            raise Refused("PARTICIPANT_NOT_FOUND")
        if c.members[other].role == "owner":
            raise Refused("CANNOT_REMOVE_OWNER")
        if c.members[who].role == c.members[other].role:
            raise Refused("PERMISSION_DENIED")
        self._dismiss(c, other, "participant_removed")

    def leave(self, c: Conversation, who: str) -> None:
        self.enter(c, who)
        if c.members[who].role == "owner":
            heirs = sorted(
                (each for each in c.members if each != who), key=lambda each: c.members[each].role != "admin"
            )
            if heirs:
                c.members[heirs[0]].role = "owner"
                self._tell(c, "ownership_transferred")
        self._dismiss(c, who, "participant_left")
        c.is_deleted = not c.members

    def promote(self, c: Conversation, who: str, other: str, role: str) -> None:
        self._enter_group(c, who)
        if c.members[who].role != "owner":
            raise Refused("NOT_OWNER")
        if who == other:
            raise Refused("CANNOT_CHANGE_OWNER_ROLE")
        if other not in c.members:
            raise Refused("PARTICIPANT_NOT_FOUND")
        if c.members[other].role != role:
            c.members[other].role = role
            if role == "member" and c.link_by == other:
                c.link_by = None
            self._tell(c, "role_changed")

    # what they share

    def enter(self, c: Conversation, who: str) -> None:
        if who not in c.members and who not in c.former:
            raise Refused("CONVERSATION_NOT_FOUND")
        if c.is_deleted:
            raise Refused("CONVERSATION_DELETED")
        if who not in c.members:
            raise Refused("NOT_PARTICIPANT")

    def is_between(self, one: str, other: str) -> bool:
        return bool({(one, other), (other, one)} & self.blocks)

    def _enter_group(self, c: Conversation, who: str) -> None:
        self.enter(c, who)
        if not c.is_group:
            raise Refused("NOT_GROUP")

    def _open(self, c: Conversation, who: str, message: Message) -> None:
        self.enter(c, who)
        if message not in c.messages:
            raise Refused("MESSAGE_NOT_FOUND")
        if message.event:
            raise Refused("SYSTEM_MESSAGE")
        if message.is_deleted:
            raise Refused("ALREADY_DELETED")

    def _must_not_be_parted(self, c: Conversation) -> None:
        if not c.is_group and self.is_between(*sorted((*c.members, *c.former))):
            raise Refused("BLOCKED")

    def _mentioned(self, c: Conversation, who: str, text: str) -> set[str]:
        if "<@all>" in text and c.members[who].role in ("owner", "admin"):
            return set(c.members) - {who}
        return set(re.findall("<@([^>]+)>", text)) & set(c.members)

    def _admit(self, c: Conversation, who: str, read: int) -> None:
        c.former.pop(who, None)
        c.members[who] = Member("member", read)
        self._tell(c, "participant_added")

    def _dismiss(self, c: Conversation, who: str, event: str) -> None:
        if c.link_by == who:
            c.link_by = None
        c.former[who] = Former(c.members.pop(who).read, was_removed=event == "participant_removed")
        self._tell(c, event)

    def _tell(self, c: Conversation, event: str) -> None:
        self._append(c, Message(len(c.log) + 1, None, event=event))

    def _append(self, c: Conversation, message: Message) -> None:
        c.messages.append(message)
        c.log.append(("message.new", message))
        c.active_at = self.now

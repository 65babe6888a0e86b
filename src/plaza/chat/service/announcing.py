"""What sockets are told, and what a conversation tells about itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from plaza.chat.models import Change, ChangeKind, Conversation, Message, MessageType
from plaza.chat.repository import MessageRepository
from plaza.chat.schemas import ChangeBody, LogEntry, MessageBody, SystemEvent
from plaza.chat.service.log import encode, entry
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub, Wake
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

PARTED = "chat.parted"
"""The signal that somebody left a conversation or was blocked."""

_PARTING = ("participant_removed", "participant_left")


class Announcer:
    """Everything said inside a command reaches sockets after its COMMIT, in the order in which it was said, or not at all."""

    def __init__(self, db: Database, hub: Hub) -> None:
        self.db, self.hub = db, hub

    def entries(self, messages: Sequence[MessageBody], introduced: Mapping[ConversationId, tuple[UserId, ...]]) -> None:
        """Of the log; they bring in and take out whomever they tell of.

        `introduced` are the two people of each direct conversation whose first entry is among these.
        """
        logged = [
            LogEntry(message=each, introduced=introduced.get(each.conversation_id, ()) if each.seq == 1 else ())
            for each in messages
        ]
        self.db.after_commit(lambda: self.hub.wake(*map(_wake, logged)))

    def change(self, change: ChangeBody) -> None:
        logged = LogEntry(message=change.message, change=change)
        self.db.after_commit(lambda: self.hub.wake(_wake(logged)))

    def to_topic(self, conversation_id: UUID, frame: msgspec.Struct) -> None:
        data = encode(frame)
        self.db.after_commit(lambda: self.hub.to_topic(conversation_id, data))

    def to_users(self, user_ids: Collection[UUID], frame: msgspec.Struct, *, about: UUID | None = None) -> None:
        """All devices of these people, but those that serve another conversation than the one that it is `about`."""
        data = encode(frame)
        self.db.after_commit(lambda: self.hub.to_users(user_ids, data, topic=about))

    def begun(self, conversation_id: UUID, user_ids: Collection[UUID]) -> None:
        """These two may type to each other before either has written."""
        self.db.after_commit(lambda: self.hub.begin_topic(conversation_id, user_ids))

    def ended(self, conversation_id: UUID) -> None:
        """It is deleted: nothing is heard of it any more, after a farewell to whoever listens."""
        self.db.after_commit(lambda: self.hub.end_topic(conversation_id))

    def parted(self, user_ids: Collection[UUID]) -> None:
        """Some people may know less of these from now on."""
        self.db.after_commit(lambda: self.hub.signal(PARTED, user_ids))


class Journal:
    """Writes into the log what the system tells (who came, went or changed), and what is done to messages.

    The conversation is locked by the caller.
    """

    def __init__(self, db: Database, clock: Clock, hub: Hub) -> None:
        self.clock, self.messages, self.announcer = clock, MessageRepository(db), Announcer(db, hub)

    def write(
        self, conversation: Conversation, event: str, *, introduced: tuple[UserId, ...] = (), **data: object
    ) -> None:
        """Ids among `data` become strings. `introduced` are the two people of a direct conversation whose first entry this is."""
        now = self.clock.now()
        conversation.last_seq += 1
        conversation.last_message_at = max(now, conversation.last_message_at or now)
        system = SystemEvent(event=event, data=msgspec.to_builtins(data))
        row = self.messages.add(
            Message(
                id=MessageId(uuid7()),
                conversation_id=conversation.id,
                seq=conversation.last_seq,
                type=MessageType.SYSTEM,
                content="",
                system=msgspec.to_builtins(system),
                created_at=now,
                **_UNTOUCHED,
            )
        )
        self.announcer.entries([body_of(row)], {conversation.id: introduced})
        if event in _PARTING:
            self.announcer.parted([UUID(str(data["user_id"]))])

    def change(self, conversation: Conversation, kind: ChangeKind, message: Message, **data: object) -> None:
        """What happened to a message, once the row shows it. Ids among `data` become strings."""
        conversation.last_seq += 1
        told = msgspec.to_builtins(data)
        self.messages.db.session.add(
            Change(
                id=uuid7(),
                conversation_id=conversation.id,
                seq=conversation.last_seq,
                kind=kind,
                message_id=message.id,
                data=told,
                created_at=self.clock.now(),
            )
        )
        self.announcer.change(ChangeBody(seq=conversation.last_seq, kind=kind, message=body_of(message), data=told))


# What a message that nobody has touched yet holds; the defaults of its columns come with the flush.
_UNTOUCHED: Mapping[str, Any] = {
    "reply_count": 0,
    "mentions": [],
    "attachments": [],
    "reactions": {},
    "pinned": False,
    "edit_count": 0,
}


def body_of(row: Message) -> MessageBody:
    """A message as it stands in this transaction."""
    values = {name: getattr(row, name) for name in MessageBody.__struct_fields__ if name != "system"}
    return MessageBody(**values, system=None if row.system is None else SystemEvent(**row.system))


def _wake(logged: LogEntry) -> Wake:
    told = entry(logged)
    return Wake(
        topic=logged.message.conversation_id,
        seq=told.seq,
        frame=told.frame,
        joined=told.joined,
        left=told.left,
        then=told.then,
    )

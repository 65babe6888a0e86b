"""What sockets are told, and what a conversation tells about itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from plaza.chat.models import Conversation, Message, MessageType
from plaza.chat.repository import MessageRepository
from plaza.chat.schemas import MessageBody, SystemEvent
from plaza.chat.service.log import encode, entry
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub, Wake
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId


class Announcer:
    """Everything said inside a command reaches sockets after its COMMIT, in the order in which it was said, or not at all."""

    def __init__(self, db: Database, hub: Hub) -> None:
        self.db, self.hub = db, hub

    def entries(
        self, messages: Sequence[MessageBody], introduced: Mapping[ConversationId, tuple[UserId, UserId]] | None = None
    ) -> None:
        """Of the log; they bring in and take out whomever they tell of.

        `introduced` are the two people of each direct conversation whose first message is among these.
        """
        pairs = introduced or {}
        self.db.after_commit(
            lambda: self.hub.wake(*(_wake(each, pairs.get(each.conversation_id, ())) for each in messages))
        )

    def to_topic(self, conversation_id: UUID, frame: msgspec.Struct) -> None:
        data = encode(frame)
        self.db.after_commit(lambda: self.hub.to_topic(conversation_id, data))

    def to_users(self, user_ids: Collection[UUID], frame: msgspec.Struct) -> None:
        """All devices of these people."""
        data = encode(frame)
        self.db.after_commit(lambda: self.hub.to_users(user_ids, data))


class Journal:
    """Writes into the log what the system tells: who came, went or changed. The conversation is locked by the caller."""

    def __init__(self, db: Database, clock: Clock, hub: Hub) -> None:
        self.clock, self.messages, self.announcer = clock, MessageRepository(db), Announcer(db, hub)

    def write(self, conversation: Conversation, event: str, **data: object) -> None:
        """Ids among `data` become strings."""
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
                mentions=[],
                reply_count=0,
                system=msgspec.to_builtins(system),
                created_at=now,
            )
        )
        message = MessageBody(
            id=row.id,
            conversation_id=row.conversation_id,
            seq=row.seq,
            sender_id=None,
            type=row.type,
            content=row.content,
            client_id=None,
            parent_id=None,
            reply_count=0,
            mentions=[],
            created_at=now,
            system=system,
        )
        self.announcer.entries([message])


def _wake(message: MessageBody, introduced: tuple[UserId, ...]) -> Wake:
    told = entry(message, introduced if message.seq == 1 else ())
    return Wake(
        topic=message.conversation_id,
        seq=told.seq,
        frame=told.frame,
        joined=told.joined,
        left=told.left,
        then=told.then,
    )

"""Entries of a conversation's log as sockets get them: who comes and goes with an entry is read off the entry itself, so that what
was missed live and what is read back later cannot differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from plaza.chat.frames import (
    Logged,
    MessageDeleted,
    MessageNew,
    MessageUpdated,
    ParticipantChanged,
    PinChanged,
    ReactionChanged,
)
from plaza.chat.models import ChangeKind, Role
from plaza.chat.repository import ConversationRepository, MessageRepository, ParticipantRepository
from plaza.chat.schemas import ChangeBody, LogEntry, SystemEvent
from plaza.core.db import Database
from plaza.core.realtime import Head, LogFrame
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId

encode = msgspec.json.Encoder().encode


def comings_and_goings(system: Mapping[str, Any] | None) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Who joined and who left with this entry."""
    match system:
        case {"event": "group_created", "data": {"members": members}}:
            return tuple(_id(each) for each in members), ()
        case {"event": "participant_added", "data": {"user_id": user_id}}:
            return (_id(user_id),), ()
        case {"event": "participant_removed" | "participant_left", "data": {"user_id": user_id}}:
            return (), (_id(user_id),)
    return (), ()


def _roles(system: SystemEvent) -> list[tuple[UserId, str | None]]:
    """Whose role changed with this entry, and to what; None for who is gone."""
    data = system.data
    match system.event:
        case "participant_added" | "role_changed":
            return [(UserId(_id(data["user_id"])), data["role"])]
        case "participant_removed" | "participant_left":
            return [(UserId(_id(data["user_id"])), None)]
        case "ownership_transferred":
            return [(UserId(_id(data["previous_owner_id"])), Role.ADMIN), (UserId(_id(data["user_id"])), Role.OWNER)]
    return []


def _id(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def entry(logged: LogEntry) -> LogFrame:
    message = logged.message
    if logged.change is not None:
        return LogFrame(seq=logged.seq, frame=encode(_told(logged.change)))
    frame = encode(MessageNew(conversation_id=message.conversation_id, seq=message.seq, message=message))
    if message.system is None:
        return LogFrame(seq=message.seq, frame=frame, joined=logged.introduced)
    joined, left = comings_and_goings({"event": message.system.event, "data": message.system.data})
    then = tuple(
        encode(ParticipantChanged(conversation_id=message.conversation_id, user_id=user_id, role=role))
        for user_id, role in _roles(message.system)
    )
    return LogFrame(seq=message.seq, frame=frame, joined=logged.introduced or joined, left=left, then=then)


def _told(change: ChangeBody) -> Logged:
    """The frame of a change."""
    message = change.message
    match change.kind:
        case ChangeKind.UPDATED:
            return MessageUpdated(conversation_id=message.conversation_id, seq=change.seq, message=message)
        case ChangeKind.DELETED:
            return MessageDeleted(conversation_id=message.conversation_id, seq=change.seq, message_id=message.id)
        case ChangeKind.REACTION | ChangeKind.PIN:
            place = {"conversation_id": message.conversation_id, "seq": change.seq, "message_id": message.id}
            return msgspec.convert({"type": change.kind.value, **place, **change.data}, ReactionChanged | PinChanged)


class ConversationLog:
    """Implements core.realtime's `TopicLog`: a topic is a conversation."""

    def __init__(self, db: Database) -> None:
        self.db, self.messages, self.participants = db, MessageRepository(db), ParticipantRepository(db)
        self.conversations = ConversationRepository(db)

    async def frames(self, topic: UUID, after: int, limit: int) -> Sequence[LogFrame]:
        return [entry(logged) for logged in await self.messages.after(topic, after, limit)]

    async def heads(self, since: UUID) -> Sequence[Head]:
        heads = []
        for conversation_id, seq, system, introduced, is_deleted in await self.messages.heads(since):
            joined, left = comings_and_goings(system)
            joined = () if is_deleted else joined or introduced
            heads.append(Head(topic=conversation_id, seq=seq, joined=joined, left=left))
        return heads

    async def unseen_since(self) -> datetime | None:
        return await self.db.oldest_writing()

    async def topics_of(self, user_id: UUID) -> Mapping[UUID, int]:
        return await self.participants.conversations_of(user_id)

    async def ended(self, topics: Collection[UUID]) -> Collection[UUID]:
        return await self.conversations.deleted(topics)

    def farewell(self, topic: UUID, user_id: UUID) -> bytes:
        return encode(ParticipantChanged(conversation_id=ConversationId(topic), user_id=UserId(user_id), role=None))

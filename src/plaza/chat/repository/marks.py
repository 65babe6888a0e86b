"""Saved messages, drafts and scheduled ones: each row belongs to one person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from plaza.chat.models import (
    Conversation,
    Draft,
    Message,
    Participant,
    SavedMessage,
    ScheduledMessage,
    ScheduledState,
)
from plaza.chat.repository.messages import COLUMNS, message_of
from plaza.chat.schemas import MessageBody
from plaza.chat.schemas.marks import DraftView, ScheduledView
from plaza.core.db import Database, Repository
from plaza.domain_events.chat import ConversationId


def _readable(user_id: UUID, conversation_id: ColumnElement[ConversationId]) -> ColumnElement[bool]:
    """Whether somebody is part of that conversation now."""
    return (
        select(Participant.id)
        .join(Conversation, Conversation.id == Participant.conversation_id)
        .where(
            Participant.user_id == user_id,
            Participant.conversation_id == conversation_id,
            Participant.left_at.is_(None),
            Conversation.deleted_at.is_(None),
        )
        .exists()
    )


class SavedRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def save(self, user_id: UUID, message_id: UUID, now: datetime) -> None:
        row = {"user_id": user_id, "message_id": message_id, "created_at": now}
        await (await self.db.session.connection()).execute(insert(SavedMessage).values(row).on_conflict_do_nothing())

    async def forget(self, user_id: UUID, message_id: UUID) -> None:
        statement = delete(SavedMessage).where(SavedMessage.user_id == user_id, SavedMessage.message_id == message_id)
        await (await self.db.session.connection()).execute(statement)

    async def page(
        self, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[tuple[MessageBody, datetime]]:
        """The latest saved first, each with its time; only what its owner may still read."""
        statement = (
            select(SavedMessage.created_at.label("marked_at"), *COLUMNS)
            .join(Message, Message.id == SavedMessage.message_id)
            .where(SavedMessage.user_id == user_id, _readable(user_id, Message.conversation_id.expression))
        )
        if before is not None:
            statement = statement.where(tuple_(SavedMessage.created_at, SavedMessage.message_id) < before)
        order = SavedMessage.created_at.desc(), SavedMessage.message_id.desc()
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(statement.order_by(*order).limit(limit))
            return [(message_of(row[1:]), row[0]) for row in rows]


class DraftRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def put(self, user_id: UUID, conversation_id: UUID, content: str, now: datetime) -> None:
        row = {"user_id": user_id, "conversation_id": conversation_id, "content": content, "updated_at": now}
        statement = insert(Draft).values(row)
        changes = {"content": statement.excluded.content, "updated_at": statement.excluded.updated_at}
        statement = statement.on_conflict_do_update(index_elements=["user_id", "conversation_id"], set_=changes)
        await (await self.db.session.connection()).execute(statement)

    async def remove(self, user_id: UUID, conversation_id: UUID) -> bool:
        statement = delete(Draft).where(Draft.user_id == user_id, Draft.conversation_id == conversation_id)
        return (await (await self.db.session.connection()).execute(statement)).rowcount > 0

    async def page(self, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[DraftView]:
        """The latest first, of conversations that their owner is part of."""
        statement = select(Draft.conversation_id, Draft.content, Draft.updated_at).where(
            Draft.user_id == user_id, _readable(user_id, Draft.conversation_id.expression)
        )
        if before is not None:
            statement = statement.where(tuple_(Draft.updated_at, Draft.conversation_id) < before)
        order = Draft.updated_at.desc(), Draft.conversation_id.desc()
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(statement.order_by(*order).limit(limit))
            return [DraftView(**row._mapping) for row in rows]


class ScheduledRepository(Repository[ScheduledMessage]):
    model = ScheduledMessage

    async def count_waiting(self, user_id: UUID) -> int:
        statement = (
            select(func.count())
            .select_from(ScheduledMessage)
            .where(ScheduledMessage.user_id == user_id, ScheduledMessage.state == ScheduledState.WAITING)
        )
        return (await self.db.session.scalars(statement)).one()

    async def page(self, user_id: UUID, after: tuple[datetime, UUID] | None, limit: int) -> Sequence[ScheduledView]:
        """Those that wait, and those that failed, the next one first."""
        columns = [ScheduledMessage.__table__.c[name] for name in ScheduledView.__struct_fields__]
        shown = (ScheduledState.WAITING, ScheduledState.FAILED)
        statement = select(*columns).where(ScheduledMessage.user_id == user_id, ScheduledMessage.state.in_(shown))
        if after is not None:
            statement = statement.where(tuple_(ScheduledMessage.send_at, ScheduledMessage.id) > after)
        statement = statement.order_by(ScheduledMessage.send_at, ScheduledMessage.id).limit(limit)
        async with self.db.reading(fresh=True) as connection:
            return [ScheduledView(**row._mapping) for row in await connection.execute(statement)]

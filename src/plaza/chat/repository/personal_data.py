"""What chat holds of one person: to be handed over, and to be let go."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Select, delete, select, update

from plaza.chat.models import (
    Block,
    Conversation,
    Draft,
    InviteLink,
    Message,
    MessageEdit,
    MessageReaction,
    MessageType,
    Participant,
    Report,
    SavedMessage,
    ScheduledMessage,
)
from plaza.core.db import Base, Database
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId

_AT_ONCE = 500
# Whom the other one of a pair talked to, and what hangs on other people's messages, stays: with the id of somebody whom nobody knows.
_STAYS = frozenset({"chat_direct_pair", "chat_message_reaction"})
# So does that somebody was removed from a group, by whomever: no invite link lets them back in. And whom staff were told of.
_STILL_NAMED = frozenset({("chat_participant", "removed_by"), ("chat_report", "reported_id")})


class PersonalRows:
    def __init__(self, db: Database) -> None:
        self.db = db

    # What is theirs

    async def conversations(self, user_id: UserId) -> AsyncIterator[dict[str, Any]]:
        """That they are or were part of; who else is, is not theirs to take along."""
        columns = (
            Participant.id,
            Participant.conversation_id,
            Conversation.kind,
            Conversation.title,
            Participant.role,
            Participant.joined_at,
            Participant.left_at,
        )
        statement = select(*columns).join(Conversation, Conversation.id == Participant.conversation_id)
        async for row in self._pages(statement.where(Participant.user_id == user_id), Participant.id):
            yield row

    def messages(self, user_id: UserId) -> AsyncIterator[dict[str, Any]]:
        columns = (
            Message.id,
            Message.conversation_id,
            Message.content,
            Message.created_at,
            Message.edited_at,
            Message.deleted_at,
        )
        return self._pages(select(*columns).where(Message.sender_id == user_id), Message.id)

    async def lists(self, user_id: UserId) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
        """The shorter ones, by name."""
        own = select(Message.id).where(Message.sender_id == user_id)
        selections: dict[str, Select[Any]] = {
            "earlier_wordings": select(*_all_but(MessageEdit)).where(MessageEdit.message_id.in_(own)),
            "reactions": select(*_all_but(MessageReaction, "user_id")).where(MessageReaction.user_id == user_id),
            "drafts": select(*_all_but(Draft, "user_id")).where(Draft.user_id == user_id),
            "scheduled_messages": select(*_all_but(ScheduledMessage, "user_id", "version")).where(
                ScheduledMessage.user_id == user_id
            ),
            "saved_messages": select(SavedMessage.message_id, SavedMessage.created_at).where(
                SavedMessage.user_id == user_id
            ),
            "blocks": select(Block.blocked_id, Block.created_at).where(Block.user_id == user_id),
            "reports": select(Report.created_at, Report.reason, Report.state).where(Report.reporter_id == user_id),
            "invite_links": select(*_all_but(InviteLink, "created_by", "version")).where(
                InviteLink.created_by == user_id
            ),
        }
        for name, selection in selections.items():
            async with self.db.reading() as connection:
                yield name, [dict(row) for row in (await connection.execute(selection)).mappings()]

    # Letting go

    async def live_conversations(self, user_id: UserId, limit: int) -> Sequence[ConversationId]:
        statement = (
            select(Participant.conversation_id)
            .join(Conversation, Conversation.id == Participant.conversation_id)
            .where(Participant.user_id == user_id, Participant.left_at.is_(None), Conversation.deleted_at.is_(None))
        )
        return (await self.db.session.scalars(statement.order_by(Participant.conversation_id).limit(limit))).all()

    async def conversation_with_text(self, user_id: UserId) -> ConversationId | None:
        """One in which something that they wrote can still be read."""
        return (await self.db.session.scalars(_texts(Message.conversation_id, user_id).limit(1))).one_or_none()

    async def texts(self, user_id: UserId, conversation_id: ConversationId, limit: int) -> Sequence[Message]:
        """Under the conversation's lock."""
        statement = _texts(Message, user_id).where(Message.conversation_id == conversation_id)
        return (
            await self.db.session.scalars(
                statement.order_by(Message.seq).limit(limit), execution_options={"populate_existing": True}
            )
        ).all()

    async def disown_messages(self, user_id: UserId, limit: int) -> int:
        theirs = select(Message.id).where(Message.sender_id == user_id).limit(limit)
        return await self._run(update(Message).where(Message.id.in_(theirs)).values(sender_id=None, client_id=None))

    async def erase(self, user_id: UserId) -> dict[str, int]:
        """What belongs to them goes; what only names them names nobody."""
        counts = {"invite_links": await self._run(delete(InviteLink).where(InviteLink.created_by == user_id))}
        for column in _columns("CASCADE"):
            if column.table.name not in _STAYS:
                name = column.table.name.removeprefix("chat_") + "s"
                taken = await self._run(delete(column.table).where(column == user_id))
                counts[name] = counts.get(name, 0) + taken
        for column in _columns("SET NULL"):
            if (column.table.name, column.name) not in _STILL_NAMED:
                await self._run(update(column.table).where(column == user_id).values({column.name: None}))
        return {name: count for name, count in counts.items() if count}

    async def forget_reported_texts(self, user_id: UserId) -> int:
        """Staff keep the report, but not what was written."""
        kept = Report.reported_id == user_id, Report.content.is_not(None)
        return await self._run(update(Report).where(*kept).values(content=None, version=Report.version + 1))

    async def _run(self, statement: Any) -> int:
        return (await (await self.db.session.connection()).execute(statement)).rowcount

    async def _pages(self, statement: Select[Any], key: Any) -> AsyncIterator[dict[str, Any]]:
        after = UUID(int=0)
        while True:
            wanted = statement.where(key > after).order_by(key).limit(_AT_ONCE)
            async with self.db.reading() as connection:
                rows = (await connection.execute(wanted)).mappings().all()
            for row in rows:
                yield dict(row)
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1]["id"]


def _texts(what: Any, user_id: UserId) -> Select[Any]:
    wanted: tuple[ColumnElement[bool], ...] = (
        Message.sender_id == user_id,
        Message.type == MessageType.TEXT,
        Message.deleted_at.is_(None),
    )
    return select(what).where(*wanted)


@cache
def _columns(ondelete: str) -> tuple[Column[Any], ...]:
    """Those of chat's columns that name a user; tables to come included."""
    return tuple(
        column
        for table in Base.metadata.sorted_tables
        if table.name.startswith("chat_")
        for column in table.columns
        if any(key.target_fullname == "identity_user.id" and key.ondelete == ondelete for key in column.foreign_keys)
    )


def _all_but(model: type[Base], *names: str) -> list[Any]:
    return [column for column in model.__table__.columns if column.name not in names]

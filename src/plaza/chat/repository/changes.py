"""What is done to messages, and what only one person sees of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import aggregate_order_by

from plaza.chat.models import Message, MessageEdit, MessageReaction, Pin, SavedMessage
from plaza.chat.repository.messages import COLUMNS, message_of
from plaza.chat.schemas import MessageBody, MessageView
from plaza.core.db import Repository
from plaza.domain_events.chat import ConversationId


class ChangeRepository(Repository[Message]):
    """Rows are changed under their conversation's lock, which the caller holds."""

    model = Message

    async def conversation_of(self, message_id: UUID) -> ConversationId | None:
        async with self.db.reading(fresh=True) as connection:
            statement = select(Message.conversation_id).where(Message.id == message_id)
            return (await connection.execute(statement)).scalar_one_or_none()

    async def message(self, conversation_id: UUID, message_id: UUID) -> Message | None:
        statement = select(Message).where(Message.id == message_id, Message.conversation_id == conversation_id)
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def seen_by(self, user_id: UUID, messages: Collection[MessageBody]) -> list[MessageView]:
        """With what is personal, in the order given."""
        ids = [each.id for each in messages]
        oldest = MessageReaction.created_at, MessageReaction.emoji
        reacted = (
            select(
                MessageReaction.message_id,
                func.array_agg(aggregate_order_by(MessageReaction.emoji, *oldest)).label("emoji"),
            )
            .where(MessageReaction.message_id.in_(ids), MessageReaction.user_id == user_id)
            .group_by(MessageReaction.message_id)
        )
        saved = select(SavedMessage.message_id).where(SavedMessage.message_id.in_(ids), SavedMessage.user_id == user_id)
        async with self.db.reading(fresh=True) as connection:
            mine = {row.message_id: row.emoji for row in await connection.execute(reacted)}
            kept = set((await connection.scalars(saved)).all())
        return [MessageView.of(each, my_reactions=mine.get(each.id, []), saved=each.id in kept) for each in messages]

    async def count_reply(self, root_id: UUID, by: int) -> None:
        await (await self.db.session.connection()).execute(
            update(Message).where(Message.id == root_id).values(reply_count=Message.reply_count + by)
        )

    # Edits

    async def earlier(self, message_id: UUID, after: int, limit: int) -> Sequence[Row[Any]]:
        """(number, content, created_at), the first wording first."""
        statement = (
            select(MessageEdit.number, MessageEdit.content, MessageEdit.created_at)
            .where(MessageEdit.message_id == message_id, MessageEdit.number > after)
            .order_by(MessageEdit.number)
            .limit(limit)
        )
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(statement)).all()

    async def forget(self, message_id: UUID) -> bool:
        """What a deleted message said and what was made of it; whether it was pinned."""
        connection = await self.db.session.connection()
        await connection.execute(delete(MessageEdit).where(MessageEdit.message_id == message_id))
        await connection.execute(delete(MessageReaction).where(MessageReaction.message_id == message_id))
        pinned = await connection.execute(delete(Pin).where(Pin.message_id == message_id))
        return pinned.rowcount > 0

    # Reactions

    async def own_reactions(self, message_id: UUID, user_id: UUID) -> set[str]:
        statement = select(MessageReaction.emoji).where(
            MessageReaction.message_id == message_id, MessageReaction.user_id == user_id
        )
        return set((await self.db.session.scalars(statement)).all())

    async def remove_reaction(self, message_id: UUID, user_id: UUID, emoji: str) -> None:
        await (await self.db.session.connection()).execute(
            delete(MessageReaction).where(
                MessageReaction.message_id == message_id,
                MessageReaction.user_id == user_id,
                MessageReaction.emoji == emoji,
            )
        )

    async def reactions(
        self, message_id: UUID, after: tuple[datetime, UUID, str] | None, limit: int
    ) -> Sequence[Row[Any]]:
        """(user_id, emoji, created_at), the oldest first."""
        key = (MessageReaction.created_at, MessageReaction.user_id, MessageReaction.emoji)
        statement = select(MessageReaction.user_id, MessageReaction.emoji, MessageReaction.created_at).where(
            MessageReaction.message_id == message_id
        )
        if after is not None:
            statement = statement.where(tuple_(*key) > after)
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(statement.order_by(*key).limit(limit))).all()

    # Pins and saved messages

    async def pin_of(self, message_id: UUID) -> Pin | None:
        return await self.db.session.get(Pin, message_id, populate_existing=True)

    async def count_pins(self, conversation_id: UUID) -> int:
        statement = select(func.count()).select_from(Pin).where(Pin.conversation_id == conversation_id)
        return (await self.db.session.scalars(statement)).one()

    async def pins(
        self, conversation_id: UUID, before: tuple[datetime, UUID] | None, limit: int
    ) -> list[tuple[MessageBody, datetime]]:
        """The latest pin first, each with its time."""
        statement = select(Pin.created_at.label("marked_at"), *COLUMNS).join(Message, Message.id == Pin.message_id)
        statement = statement.where(Pin.conversation_id == conversation_id)
        if before is not None:
            statement = statement.where(tuple_(Pin.created_at, Pin.message_id) < before)
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(
                statement.order_by(Pin.created_at.desc(), Pin.message_id.desc()).limit(limit)
            )
            return [(message_of(row[1:]), row[0]) for row in rows]

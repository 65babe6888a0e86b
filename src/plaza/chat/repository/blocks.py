"""Who wants nothing of whom."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Label, Row, and_, bindparam, case, delete, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from plaza.chat.models import Block, DirectPair, Participant
from plaza.core.db import Database
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId

PARTED = """exists (
  select from chat_direct_pair d
  join chat_block b on (b.user_id, b.blocked_id) in ((d.user_low, d.user_high), (d.user_high, d.user_low))
  where d.conversation_id = {conversation_id}
)"""
"""Whether one of the two people of a direct conversation has blocked the other."""

_IS_PARTED = text(PARTED.format(conversation_id=":conversation_id"))
_PARTED = text(f"select {PARTED.format(conversation_id=':conversation_id')}")

_BETWEEN = text("""
select blocked_id from chat_block where user_id = :user_id and blocked_id = any(cast(:others as uuid[]))
union
select user_id from chat_block where blocked_id = :user_id and user_id = any(cast(:others as uuid[]))
""")


def seen_marker(marker: InstrumentedAttribute[int]) -> Label[int]:
    """A column of `Participant` as `viewer` sees it in `conversation_id`, both parameters of the statement.

    Of two people whom a block parts, to neither the other seems to have got or read anything.
    """
    is_hidden = and_(Participant.user_id != bindparam("viewer"), _IS_PARTED)
    return case((is_hidden, literal(0)), else_=marker).label(marker.key)


class BlockRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, user_id: UUID, blocked_id: UUID, now: datetime) -> bool:
        """False where it stood already."""
        row = {"user_id": user_id, "blocked_id": blocked_id, "created_at": now}
        statement = insert(Block).values(row).on_conflict_do_nothing()
        return (await (await self.db.session.connection()).execute(statement)).rowcount > 0

    async def remove(self, user_id: UUID, blocked_id: UUID) -> bool:
        statement = delete(Block).where(Block.user_id == user_id, Block.blocked_id == blocked_id)
        return (await (await self.db.session.connection()).execute(statement)).rowcount > 0

    async def page(self, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Row[Any]]:
        """(blocked_id, created_at), the latest first."""
        statement = select(Block.blocked_id, Block.created_at).where(Block.user_id == user_id)
        if before is not None:
            statement = statement.where(tuple_(Block.created_at, Block.blocked_id) < before)
        order = Block.created_at.desc(), Block.blocked_id.desc()
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(statement.order_by(*order).limit(limit))).all()

    async def between(self, user_id: UUID, others: Collection[UUID]) -> set[UUID]:
        """Those of the others who have blocked this one, or whom this one has blocked."""
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.scalars(_BETWEEN, {"user_id": user_id, "others": list(others)})
            return set(rows.all())

    async def parts(self, conversation_id: UUID) -> bool:
        """Whether one of the two people of this direct conversation has blocked the other."""
        async with self.db.reading(fresh=True) as connection:
            return bool((await connection.scalars(_PARTED, {"conversation_id": conversation_id})).one())

    async def conversation_of(self, one: UserId, other: UserId) -> ConversationId | None:
        """The direct one of these two, which may be deleted."""
        low, high = sorted((one, other))
        statement = select(DirectPair.conversation_id).where(DirectPair.user_low == low, DirectPair.user_high == high)
        return (await self.db.session.scalars(statement)).one_or_none()

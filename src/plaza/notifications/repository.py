from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, delete, select, update

from plaza.core.db import Database, Repository
from plaza.core.ids import floor_of
from plaza.domain_events.notifications import NotificationId
from plaza.notifications.models import Delivery, DeliveryState, OutboxItem

_PURGED_AT_ONCE = 10_000
_READ_AT_ONCE = 500

# What staff see: to whom and how it went, not what it says.
DELIVERIES_FOR_STAFF = select(
    Delivery.id,
    Delivery.kind,
    Delivery.channel,
    Delivery.recipient,
    Delivery.state,
    Delivery.error,
    Delivery.message_id,
    Delivery.created_at,
    Delivery.ended_at,
)


class Waiting(NamedTuple):
    """A delivery that is still to be sent; `data` is sealed."""

    kind: str
    channel: str
    recipient: str
    recipient_name: str
    data: str
    created_at: datetime
    expires_at: datetime | None


class DeliveryRepository(Repository[Delivery]):
    model = Delivery

    async def to_send(self, id: NotificationId) -> Waiting | None:
        """None once it was sent, failed or purged."""
        wanted = select(
            Delivery.kind,
            Delivery.channel,
            Delivery.recipient,
            Delivery.recipient_name,
            Delivery.data,
            Delivery.created_at,
            Delivery.expires_at,
        ).where(Delivery.id == id, Delivery.state == DeliveryState.QUEUED, Delivery.data.is_not(None))
        async with self.db.reading() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return Waiting(*row) if row is not None else None

    async def give_up(self, before: datetime, at: datetime) -> int:
        """Whatever still waits from before that time; its data goes."""
        waiting = select(Delivery.id).where(Delivery.id < floor_of(before), Delivery.state == DeliveryState.QUEUED)
        ended = await (await self.db.session.connection()).execute(
            update(Delivery)
            .where(Delivery.id.in_(waiting.limit(_PURGED_AT_ONCE).with_for_update(skip_locked=True)))
            .values(
                state=DeliveryState.FAILED, data=None, ended_at=at, error="undelivered", version=Delivery.version + 1
            )
        )
        return ended.rowcount

    async def purge(self, before: datetime) -> int:
        old = select(Delivery.id).where(Delivery.id < floor_of(before)).order_by(Delivery.id).limit(_PURGED_AT_ONCE)
        connection = await self.db.session.connection()
        return (await connection.execute(delete(Delivery).where(Delivery.id.in_(old)))).rowcount

    async def of(self, recipients: Collection[str]) -> AsyncIterator[dict[str, Any]]:
        """The oldest first."""
        after = UUID(int=0)
        columns = (
            Delivery.id,
            Delivery.kind,
            Delivery.channel,
            Delivery.recipient,
            Delivery.state,
            Delivery.created_at,
        )
        wanted = select(*columns).where(Delivery.recipient.in_(recipients)).order_by(Delivery.id).limit(_READ_AT_ONCE)
        while True:
            async with self.db.reading() as connection:
                rows = (await connection.execute(wanted.where(Delivery.id > after))).mappings().all()
            for row in rows:
                yield dict(row)
            if len(rows) < _READ_AT_ONCE:
                return
            after = rows[-1]["id"]

    async def erase(self, recipients: Collection[str], limit: int) -> int:
        theirs = select(Delivery.id).where(Delivery.recipient.in_(recipients)).limit(limit)
        connection = await self.db.session.connection()
        return (await connection.execute(delete(Delivery).where(Delivery.id.in_(theirs)))).rowcount


class OutboxRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def erase(self, recipients: Collection[str]) -> int:
        connection = await self.db.session.connection()
        return (await connection.execute(delete(OutboxItem).where(OutboxItem.recipient.in_(recipients)))).rowcount

    async def latest(self, limit: int) -> Sequence[Row[tuple[str, str, str, str, datetime]]]:
        """Channel, recipient, subject, body, time; the newest first."""
        wanted = (
            select(OutboxItem.channel, OutboxItem.recipient, OutboxItem.subject, OutboxItem.body, OutboxItem.at)
            .order_by(OutboxItem.id.desc())
            .limit(limit)
        )
        async with self.db.reading() as connection:
            return (await connection.execute(wanted)).all()

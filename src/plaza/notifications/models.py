"""Tables of notifications."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Timestamped, Versioned, state_column, typed_ids
from plaza.core.states import Machine, Move
from plaza.domain_events.notifications import NotificationId

typed_ids(NotificationId)


class DeliveryState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


DELIVERY = Machine(
    "delivery",
    DeliveryState,
    initial=DeliveryState.QUEUED,
    moves={
        "send": Move({DeliveryState.QUEUED}, DeliveryState.SENT),
        "fail": Move({DeliveryState.QUEUED}, DeliveryState.FAILED),
    },
)


class Delivery(Versioned, Timestamped, Base):
    """One message to one recipient. What it says is rendered when it is sent, from `data`, which is sealed and gone with the end.

    Past `expires_at` it is not sent any more: its code is no good by then.
    """

    __tablename__ = "notifications_delivery"
    __table_args__ = (Index("notifications_delivery_queued_idx", "id", postgresql_where=text("state = 'queued'")),)

    id: Mapped[NotificationId] = mapped_column(primary_key=True)
    kind: Mapped[str]
    channel: Mapped[str]
    recipient: Mapped[str] = mapped_column(index=True)
    recipient_name: Mapped[str]
    data: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    state: Mapped[DeliveryState] = state_column(DELIVERY)
    message_id: Mapped[str | None]
    error: Mapped[str | None]
    ended_at: Mapped[datetime | None]

    @property
    def is_queued(self) -> bool:
        return self.state is DeliveryState.QUEUED

    def forget_recipient(self) -> None:
        self.recipient = self.recipient_name = ""

    @DELIVERY.move
    def send(self, at: datetime, message_id: str) -> None:
        self.message_id, self.ended_at, self.data = message_id, at, None

    @DELIVERY.move
    def fail(self, at: datetime, error: str) -> None:
        self.error, self.ended_at, self.data = error, at, None


class OutboxItem(Base):
    """What the development outbox received instead of a mail server. Empty in production."""

    __tablename__ = "notifications_outbox_item"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(unique=True)
    channel: Mapped[str]
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    at: Mapped[datetime]

"""What people mark and prepare: pins for everybody, the rest for themselves."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.chat.models.ids import ConversationId, MessageId, UserId
from plaza.core.db import Base, Timestamped, Versioned, state_column
from plaza.core.states import Machine, Move


class Pin(Timestamped, Base):
    __tablename__ = "chat_pin"
    __table_args__ = (Index("chat_pin_conversation_idx", "conversation_id", "created_at"),)

    message_id: Mapped[MessageId] = mapped_column(ForeignKey("chat_message.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(ForeignKey("chat_conversation.id", ondelete="CASCADE"))
    user_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)


class SavedMessage(Timestamped, Base):
    __tablename__ = "chat_saved_message"
    __table_args__ = (Index("chat_saved_message_user_idx", "user_id", "created_at"),)

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[MessageId] = mapped_column(
        ForeignKey("chat_message.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Draft(Base):
    """What somebody has begun to write, for all of their devices."""

    __tablename__ = "chat_draft"

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    content: Mapped[str]
    updated_at: Mapped[datetime]


class ScheduledState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


SCHEDULED = Machine(
    "scheduled_message",
    ScheduledState,
    initial=ScheduledState.WAITING,
    moves={
        "send": Move({ScheduledState.WAITING}, ScheduledState.SENT),
        "fail": Move({ScheduledState.WAITING}, ScheduledState.FAILED),
        "cancel": Move({ScheduledState.WAITING, ScheduledState.FAILED}, ScheduledState.CANCELLED),
    },
)


class ScheduledMessage(Timestamped, Versioned, Base):
    """A message that the worker sends at `send_at`, under its own id as client_id, so that it is sent once. `problem` is a code."""

    __tablename__ = "chat_scheduled_message"
    __table_args__ = (
        CheckConstraint("char_length(content) between 1 and 10000", name="content"),
        Index("chat_scheduled_message_user_idx", "user_id", "send_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), index=True)
    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), index=True
    )
    content: Mapped[str]
    send_at: Mapped[datetime]
    state: Mapped[ScheduledState] = state_column(SCHEDULED)
    problem: Mapped[str | None] = mapped_column(String(60))

    @SCHEDULED.move
    def send(self) -> None:
        """It is in the log."""

    @SCHEDULED.move
    def fail(self, problem: str) -> None:
        self.problem = problem

    @SCHEDULED.move
    def cancel(self) -> None:
        """By its author."""

"""Who gets in, who is kept away, and what staff should look at."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.chat.models.ids import ConversationId, MessageId, UserId
from plaza.core.db import Base, Timestamped, Versioned, state_column
from plaza.core.states import Machine, Move


class InviteLink(Timestamped, Versioned, Base):
    """Whoever has the code may join, until it expires, is used up or is revoked."""

    __tablename__ = "chat_invite_link"
    __table_args__ = (
        CheckConstraint("role in ('admin', 'member')", name="role"),
        CheckConstraint("uses >= 0 and (max_uses is null or uses <= max_uses)", name="uses"),
    )

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), index=True
    )
    created_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    role: Mapped[str]
    expires_at: Mapped[datetime | None]
    max_uses: Mapped[int | None]
    uses: Mapped[int] = mapped_column(default=0)
    revoked_at: Mapped[datetime | None]


class PendingInvite(Timestamped, Base):
    """Somebody was added who wants to be asked first."""

    __tablename__ = "chat_pending_invite"

    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[UserId] = mapped_column(
        ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    invited_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    role: Mapped[str]


class Block(Timestamped, Base):
    """`user_id` wants nothing of `blocked_id`."""

    __tablename__ = "chat_block"
    __table_args__ = (CheckConstraint("user_id <> blocked_id", name="other"),)

    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    blocked_id: Mapped[UserId] = mapped_column(
        ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ReportState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


REPORT = Machine(
    "report",
    ReportState,
    initial=ReportState.OPEN,
    moves={"resolve": Move({ReportState.OPEN}, ReportState.RESOLVED)},
)


class Report(Timestamped, Versioned, Base):
    """Of a message or of a person. `content` is what the message said then: an edit does not take it from staff."""

    __tablename__ = "chat_report"
    __table_args__ = (
        CheckConstraint("num_nonnulls(message_id, reported_id) >= 1 or state = 'resolved'", name="subject"),
        CheckConstraint("(state = 'resolved') = (resolved_at is not null)", name="resolved"),
        Index("chat_report_open_idx", "id", postgresql_where=text("state = 'open'")),
        Index(
            "chat_report_once_key",
            "reporter_id",
            "message_id",
            unique=True,
            postgresql_where=text("state = 'open' and message_id is not null"),
        ),
        Index(
            "chat_report_person_once_key",
            "reporter_id",
            "reported_id",
            unique=True,
            postgresql_where=text("state = 'open' and conversation_id is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    reporter_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    reported_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    conversation_id: Mapped[ConversationId | None] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[MessageId | None] = mapped_column(ForeignKey("chat_message.id", ondelete="SET NULL"), index=True)
    content: Mapped[str | None]
    reason: Mapped[str] = mapped_column(String(1000))
    state: Mapped[ReportState] = state_column(REPORT)
    resolved_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    resolved_at: Mapped[datetime | None]
    action: Mapped[str | None] = mapped_column(String(40))

    @REPORT.move
    def resolve(self, by: UserId, at: datetime, action: str) -> None:
        self.resolved_by, self.resolved_at, self.action = by, at, action

"""Who takes part in a conversation."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.chat.models.ids import ConversationId, UserId
from plaza.core.db import Base, Versioned


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class NotificationLevel(StrEnum):
    """What reaches somebody who is not looking."""

    ALL = "all"
    MENTIONS = "mentions"
    NONE = "none"


class Participant(Versioned, Base):
    """One live row per person and conversation; those who left keep theirs, so that they can be told from strangers.

    `last_sent_at` is kept only of those whom slow mode holds up.
    """

    __tablename__ = "chat_participant"
    __table_args__ = (
        CheckConstraint("role in ('owner', 'admin', 'member')", name="role"),
        CheckConstraint("last_delivered_seq >= last_read_seq", name="markers"),
        CheckConstraint("notifications in ('all', 'mentions', 'none')", name="notifications"),
        Index(
            "chat_participant_live_key",
            "conversation_id",
            "user_id",
            unique=True,
            postgresql_where=text("left_at is null"),
        ),
        Index(
            "chat_participant_owner_key",
            "conversation_id",
            unique=True,
            postgresql_where=text("left_at is null and role = 'owner'"),
        ),
        Index("chat_participant_user_idx", "user_id", "conversation_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"))
    role: Mapped[str]
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    removed_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    last_read_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_delivered_seq: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    muted_until: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    last_sent_at: Mapped[datetime | None]
    notifications: Mapped[str] = mapped_column(default=NotificationLevel.ALL, server_default="all")

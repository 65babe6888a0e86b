"""Conversations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from plaza.chat.models.ids import ConversationId, UserId
from plaza.core.db import Base, Timestamped, Versioned


class Kind(StrEnum):
    DIRECT = "direct"
    GROUP = "group"


class Posting(StrEnum):
    """Who may write in a group."""

    EVERYBODY = "everybody"
    ADMINS = "admins"


class Conversation(Timestamped, Versioned, Base):
    """`slow_mode_s` is the pause between two messages of one member, `posting` says who may write at all.

    Grouped sends move `last_seq` and `last_message_at` without a new version; neither is indexed, so that they stay cheap (HOT).
    """

    __tablename__ = "chat_conversation"
    __table_args__ = (
        CheckConstraint("kind in ('direct', 'group')", name="kind"),
        CheckConstraint("(kind = 'group') = (title is not null)", name="title"),
        CheckConstraint("last_seq >= 0 and participant_count >= 0", name="counters"),
        CheckConstraint("slow_mode_s between 0 and 86400", name="slow_mode"),
        CheckConstraint("posting in ('everybody', 'admins')", name="posting"),
    )

    id: Mapped[ConversationId] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str | None]
    created_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    participant_count: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_message_at: Mapped[datetime | None]
    slow_mode_s: Mapped[int] = mapped_column(default=0, server_default="0")
    posting: Mapped[str] = mapped_column(default=Posting.EVERYBODY, server_default="everybody")
    deleted_at: Mapped[datetime | None]


class DirectPair(Base):
    """The one direct conversation of two people, whichever of them began it."""

    __tablename__ = "chat_direct_pair"
    __table_args__ = (CheckConstraint("user_low < user_high", name="order"),)

    user_low: Mapped[UserId] = mapped_column(ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True)
    user_high: Mapped[UserId] = mapped_column(
        ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    conversation_id: Mapped[ConversationId] = mapped_column(
        ForeignKey("chat_conversation.id", ondelete="CASCADE"), unique=True
    )

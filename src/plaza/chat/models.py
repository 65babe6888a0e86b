"""Tables of chat.

Everything that takes a seq, or changes who is in a conversation, happens under the lock of the conversation's row. That is what makes
seqs gap-free and keeps one owner; `version` guards the rest (titles).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from plaza.core.db import Base, Timestamped, Versioned, typed_ids
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

typed_ids(ConversationId, MessageId, UserId)


class Kind(StrEnum):
    DIRECT = "direct"
    GROUP = "group"


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class MessageType(StrEnum):
    TEXT = "text"
    SYSTEM = "system"


class Conversation(Timestamped, Versioned, Base):
    """Grouped sends move `last_seq` and `last_message_at` without a new version; neither is indexed, so that they stay cheap (HOT)."""

    __tablename__ = "chat_conversation"
    __table_args__ = (
        CheckConstraint("kind in ('direct', 'group')", name="kind"),
        CheckConstraint("(kind = 'group') = (title is not null)", name="title"),
        CheckConstraint("last_seq >= 0 and participant_count >= 0", name="counters"),
    )

    id: Mapped[ConversationId] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str | None]
    created_by: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"), index=True)
    participant_count: Mapped[int] = mapped_column(default=0)
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_message_at: Mapped[datetime | None]
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


class Participant(Versioned, Base):
    """One live row per person and conversation; those who left keep theirs, so that they can be told from strangers."""

    __tablename__ = "chat_participant"
    __table_args__ = (
        CheckConstraint("role in ('owner', 'admin', 'member')", name="role"),
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


class Message(Base):
    """An entry of its conversation's log. `sender_id` is null for what the system tells (and once the sender's account is erased)."""

    __tablename__ = "chat_message"
    __table_args__ = (
        CheckConstraint("type in ('text', 'system')", name="type"),
        CheckConstraint("(type = 'system') = (system is not null)", name="system"),
        CheckConstraint("type = 'system' or char_length(content) between 1 and 10000", name="content"),
        CheckConstraint("parent_id <> id", name="parent"),
        UniqueConstraint("conversation_id", "seq"),
        UniqueConstraint("sender_id", "client_id"),
        Index("chat_message_parent_id_idx", "parent_id", postgresql_where=text("parent_id is not null")),
    )

    id: Mapped[MessageId] = mapped_column(primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(ForeignKey("chat_conversation.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(BigInteger)
    sender_id: Mapped[UserId | None] = mapped_column(ForeignKey("identity_user.id", ondelete="SET NULL"))
    type: Mapped[str]
    content: Mapped[str]
    client_id: Mapped[UUID | None]
    parent_id: Mapped[MessageId | None] = mapped_column(ForeignKey("chat_message.id", ondelete="CASCADE"))
    reply_count: Mapped[int] = mapped_column(default=0)
    mentions: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), default=list)
    system: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]

"""Messages, and what is done to them: the log of a conversation.

Every seq of a conversation is either that of a message or that of a `Change`; together they have no gap.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Uuid

from plaza.chat.models.ids import ConversationId, MessageId, UserId
from plaza.core.db import Base, Timestamped


class MessageType(StrEnum):
    TEXT = "text"
    SYSTEM = "system"


class Message(Base):
    """An entry of its conversation's log. `sender_id` is null for what the system tells (and once the sender's account is erased).

    `search` is the text as searches compare it, held in step by the database.
    A deleted one stays as a tombstone without content. `reactions` are the counts by emoji, held in step with `MessageReaction`.
    """

    __tablename__ = "chat_message"
    __table_args__ = (
        CheckConstraint("type in ('text', 'system')", name="type"),
        CheckConstraint("(type = 'system') = (system is not null)", name="system"),
        CheckConstraint(
            "type = 'system' or deleted_at is not null or char_length(content) between 1 and 10000", name="content"
        ),
        CheckConstraint("deleted_at is null or content = ''", name="tombstone"),
        CheckConstraint("type = 'text' or deleted_at is null", name="system_stays"),
        CheckConstraint("parent_id <> id", name="parent"),
        UniqueConstraint("conversation_id", "seq"),
        UniqueConstraint("sender_id", "client_id"),
        Index("chat_message_thread_idx", "parent_id", "seq", postgresql_where=text("parent_id is not null")),
        Index("chat_message_system_idx", "conversation_id", "seq", postgresql_where=text("type = 'system'")),
        Index("chat_message_search_idx", text("chat_bigrams(search)"), postgresql_using="gin"),
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
    attachments: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()), default=list, server_default="{}")
    reactions: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    pinned: Mapped[bool] = mapped_column(default=False, server_default="false")
    edit_count: Mapped[int] = mapped_column(default=0, server_default="0")
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    system: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime]
    search: Mapped[str | None] = mapped_column(
        Computed("CASE WHEN type = 'text'::text THEN chat_fold(content) ELSE NULL::text END", persisted=True),
        deferred=True,
    )


class ChangeKind(StrEnum):
    """What happened to a message, by the frame that tells it."""

    UPDATED = "message.updated"
    DELETED = "message.deleted"
    REACTION = "reaction.changed"
    PIN = "pin.changed"


class Change(Timestamped, Base):
    """An entry of the log that is no message. `data` is the inside of its frame, apart from conversation, seq and message."""

    __tablename__ = "chat_change"
    __table_args__ = (
        CheckConstraint(
            "kind in ('message.updated', 'message.deleted', 'reaction.changed', 'pin.changed')", name="kind"
        ),
        UniqueConstraint("conversation_id", "seq"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[ConversationId] = mapped_column(ForeignKey("chat_conversation.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    message_id: Mapped[MessageId] = mapped_column(ForeignKey("chat_message.id", ondelete="CASCADE"), index=True)
    data: Mapped[dict[str, Any]]


class MessageEdit(Timestamped, Base):
    """What a message said before its edit `number`, counted from 1."""

    __tablename__ = "chat_message_edit"

    message_id: Mapped[MessageId] = mapped_column(ForeignKey("chat_message.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str]


class MessageReaction(Timestamped, Base):
    __tablename__ = "chat_message_reaction"

    message_id: Mapped[MessageId] = mapped_column(ForeignKey("chat_message.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UserId] = mapped_column(
        ForeignKey("identity_user.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    emoji: Mapped[str] = mapped_column(String(64), primary_key=True)

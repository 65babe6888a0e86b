"""Frames that tell sockets what has changed.

Of these only `message.new` is an entry of the log: it has a seq and arrives once, in order. `participant.changed` follows the entry
that caused it; the others are passing and may be lost.
"""

from __future__ import annotations

from plaza.chat.schemas import ConversationBody, MessageBody
from plaza.core.schemas import View
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


class MessageNew(View, frozen=True, kw_only=True, tag_field="type", tag="message.new"):
    conversation_id: ConversationId
    seq: int
    message: MessageBody


class ConversationUpdated(View, frozen=True, kw_only=True, tag_field="type", tag="conversation.updated"):
    conversation_id: ConversationId
    conversation: ConversationBody


class ParticipantChanged(View, frozen=True, kw_only=True, tag_field="type", tag="participant.changed"):
    """`role` null: no longer part of it. Whoever is removed gets this about himself as the conversation's last frame."""

    conversation_id: ConversationId
    user_id: UserId
    role: str | None


class ReadUpdated(View, frozen=True, kw_only=True, tag_field="type", tag="read.updated"):
    conversation_id: ConversationId
    user_id: UserId
    up_to: int


class UnreadChanged(View, frozen=True, kw_only=True, tag_field="type", tag="unread"):
    """To all devices of one person after his marker moved. New messages move no marker: clients count those themselves."""

    conversation_id: ConversationId
    unread: int
    mentions: int

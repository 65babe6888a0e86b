"""Conversations, the people in them, and what each has read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from plaza.chat.models import Kind, Posting
from plaza.chat.schemas.messages import MessageBody, MessageView
from plaza.core.schemas import Input, Patch, View
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


class NewConversation(Input, frozen=True, kw_only=True):
    """`member_ids` are the others: exactly one for a direct conversation."""

    kind: Kind
    member_ids: list[UUID] = []
    title: str | None = None


class GroupChange(Patch, frozen=True, kw_only=True):
    """What is left out stays. `slow_mode_s` is the pause between two messages of one member, 0 for none."""

    title: str | UnsetType | None = UNSET
    slow_mode_s: Annotated[int, Meta(ge=0, le=86_400)] | UnsetType = UNSET
    posting: Posting | UnsetType = UNSET


class NewParticipant(Input, frozen=True, kw_only=True):
    user_id: UUID
    role: str = "member"


class RoleChange(Input, frozen=True, kw_only=True):
    role: str | None = None


class NewOwner(Input, frozen=True, kw_only=True):
    user_id: UUID


class SeqMarker(Input, frozen=True, kw_only=True):
    seq: int


class Peer(View, frozen=True, kw_only=True):
    """The other one of a direct conversation."""

    user_id: UserId
    display_name: str
    avatar_url: str | None


class MyPart(View, frozen=True, kw_only=True):
    """`notifications` is what reaches one who is not looking while it is muted: `mentions` or `none`; otherwise `all`."""

    role: str
    last_read_seq: int
    muted_until: datetime | None = None
    notifications: str
    archived_at: datetime | None = None
    unread: int
    mentions: int


class ConversationBody(View, frozen=True, kw_only=True):
    """A conversation without what is personal: what a frame carries."""

    id: ConversationId
    kind: str
    title: str | None
    created_by: UserId | None
    participant_count: int
    slow_mode_s: int
    posting: str
    last_seq: int
    last_message_at: datetime | None
    last_message: MessageBody | None
    peer: Peer | None
    created_at: datetime


class ConversationView(ConversationBody, frozen=True, kw_only=True):
    """A conversation as one of its people sees it."""

    last_message: MessageView | None
    my: MyPart


class ParticipantView(View, frozen=True, kw_only=True):
    """`joined_at` is null of somebody who was asked and has not answered yet."""

    user_id: UserId
    display_name: str
    avatar_url: str | None
    role: str
    joined_at: datetime | None
    last_read_seq: int


class Badge(View, frozen=True, kw_only=True):
    """Unread are text messages of others after the reader's marker; `mentions` are those of them that name the reader."""

    conversation_id: ConversationId
    unread: int
    mentions: int


class ReadState(Badge, frozen=True, kw_only=True):
    """`last_read_seq` is the marker."""

    last_read_seq: int


class CreatedConversation(View, frozen=True, kw_only=True):
    """`is_new` is false where the direct conversation stood already."""

    conversation: ConversationView
    is_new: bool


class UnreadSummary(View, frozen=True, kw_only=True):
    """Conversations with nothing unread are left out."""

    unread: int
    mentions: int
    conversations: list[Badge]

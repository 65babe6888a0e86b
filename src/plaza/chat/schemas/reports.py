"""What people report, and what staff make of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from plaza.chat.models import ReportState
from plaza.core.schemas import Input, View
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId


class ReportAction(StrEnum):
    NONE = "none"
    DELETE_MESSAGE = "delete_message"
    BAN = "ban"


class NewReport(Input, frozen=True, kw_only=True):
    """Exactly one of a message and a person."""

    message_id: UUID | None = None
    user_id: UUID | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]


class ReportReceipt(View, frozen=True, kw_only=True):
    """For whoever reported."""

    id: UUID
    state: ReportState
    created_at: datetime


class Resolution(Input, frozen=True, kw_only=True):
    action: ReportAction


class ReportView(View, frozen=True, kw_only=True):
    """For staff. `content` is what the message said when it was reported; null for people, and once its author is erased."""

    id: UUID
    state: ReportState
    reporter_id: UserId | None
    reported_id: UserId | None
    conversation_id: ConversationId | None
    message_id: MessageId | None
    content: str | None
    reason: str
    created_at: datetime
    resolved_by: UserId | None
    resolved_at: datetime | None
    action: str | None

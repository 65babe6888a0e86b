"""What people mark and prepare for themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from plaza.chat.models import ScheduledState
from plaza.core.messages import JobPayload
from plaza.core.schemas import Input, Moment, View
from plaza.domain_events.chat import ConversationId


class DraftText(Input, frozen=True, kw_only=True):
    content: str


class DraftView(View, frozen=True, kw_only=True):
    conversation_id: ConversationId
    content: str
    updated_at: datetime


class NewScheduled(Input, frozen=True, kw_only=True):
    conversation_id: UUID
    content: str
    send_at: datetime


class ScheduledView(View, frozen=True, kw_only=True):
    """`problem` is the code of what kept it from being sent."""

    id: UUID
    conversation_id: ConversationId
    content: str
    send_at: datetime
    state: ScheduledState
    problem: str | None
    created_at: datetime


class Mute(Input, frozen=True, kw_only=True):
    """Without `until` for good. `notifications`: whether mentions still reach one."""

    until: Moment | None = None
    notifications: Literal["mentions", "none"] = "none"


class SendScheduled(JobPayload, frozen=True, kw_only=True, tag="chat.send_scheduled"):
    scheduled_id: UUID

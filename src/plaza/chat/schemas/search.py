"""What is searched for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec


class Has(StrEnum):
    """What a message has besides its words."""

    LINK = "link"
    ATTACHMENT = "attachment"
    MENTION = "mention"
    REACTION = "reaction"
    REPLY = "reply"
    PIN = "pin"


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`after` is included, `before` is not; both are times of sending."""

    text: str
    conversation_id: UUID | None = None
    sender_id: UUID | None = None
    before: datetime | None = None
    after: datetime | None = None
    has: Has | None = None

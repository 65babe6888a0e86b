"""Who is there."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec

from plaza.core.schemas import Input, View
from plaza.domain_events.identity import UserId


class Status(StrEnum):
    """What somebody chose while there; `invisible` and `offline` look alike to others."""

    ONLINE = "online"
    AWAY = "away"
    DND = "dnd"
    INVISIBLE = "invisible"
    OFFLINE = "offline"


PresenceIds: TypeAlias = Annotated[list[UUID], msgspec.Meta(max_length=500)]


class NewStatus(Input, frozen=True, kw_only=True):
    status: Status


class PresenceQuestion(Input, frozen=True, kw_only=True):
    user_ids: PresenceIds


class PresenceView(View, frozen=True, kw_only=True):
    """As the asker may see it. `last_seen_at` is the last heartbeat; null where there was none, or none that the asker may know of."""

    user_id: UserId
    status: Status
    last_seen_at: datetime | None

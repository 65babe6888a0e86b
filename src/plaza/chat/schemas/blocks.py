"""Whom somebody has blocked."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from plaza.core.schemas import Input, View
from plaza.domain_events.identity import UserId


class NewBlock(Input, frozen=True, kw_only=True):
    user_id: UUID


class BlockView(View, frozen=True, kw_only=True):
    """Of somebody whom its reader has blocked."""

    user_id: UserId
    display_name: str
    avatar_url: str | None
    created_at: datetime

"""Ways into a group: links, and being asked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from plaza.core.schemas import Input, View
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


class NewInviteLink(Input, frozen=True, kw_only=True):
    """Without `expires_at` and `max_uses` it holds until it is revoked."""

    expires_at: datetime | None = None
    max_uses: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    role: str = "member"


class InviteLinkView(View, frozen=True, kw_only=True):
    code: str
    conversation_id: ConversationId
    role: str
    created_by: UserId | None
    created_at: datetime
    expires_at: datetime | None
    max_uses: int | None
    uses: int


class InviteView(View, frozen=True, kw_only=True):
    """A group that its reader was asked into: `role` is what he would be there."""

    conversation_id: ConversationId
    title: str
    participant_count: int
    role: str
    invited_by: UserId | None
    invited_by_name: str
    created_at: datetime

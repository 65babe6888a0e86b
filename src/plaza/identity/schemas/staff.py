"""What staff see of people, and what they do to accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from plaza.core.schemas import Input, Moment, View
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import UserStatus
from plaza.identity.schemas.roles import GrantView
from plaza.identity.schemas.sessions import Device
from plaza.identity.schemas.users import UserView

Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class ReasonInput(Input, frozen=True, kw_only=True):
    """Why: it stands in the audit log."""

    reason: Reason


class BanInput(Input, frozen=True, kw_only=True):
    """Without `until` the ban has no end."""

    reason: Reason
    until: Moment | None = None


class UserSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What is None does not narrow. `text` is an id, a phone number, or a part of an address or a name."""

    text: str | None = None
    status: UserStatus | None = None
    role: str | None = None


class StaffUserView(View, frozen=True, kw_only=True):
    """`roles` are those that have not expired."""

    id: UserId
    email: str | None
    phone: str | None
    email_verified: bool
    phone_verified: bool
    status: UserStatus
    is_staff: bool
    is_superuser: bool
    username: str | None
    display_name: str
    first_name: str
    last_name: str
    created_at: datetime
    last_login_at: datetime | None
    waitlisted_until: datetime | None
    banned_until: datetime | None
    ban_reason: str | None
    roles: list[GrantView]


class StaffSessionView(View, frozen=True, kw_only=True):
    """`methods` are what proved who it was (RFC 8176); `impersonator_id` is the member of staff whose session it is in truth."""

    id: SessionId
    device: Device
    ip: str
    methods: list[str]
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    impersonator_id: UserId | None
    impersonation_reason: str | None


class ImpersonationView(View, frozen=True, kw_only=True):
    """An access token and nothing to renew it with. It is over after `expires_in` seconds, or by logout with it."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme, not a password
    expires_in: int
    session_id: SessionId
    user: UserView

"""Keys for programs: what is asked for, what is shown, what a look-up finds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from plaza.core.schemas import Input, Moment, View
from plaza.domain_events.identity import UserId
from plaza.identity.models import UserStatus
from plaza.identity.schemas.fields import Line


class NewApiKey(Input, frozen=True, kw_only=True):
    """`scopes` are `<context>:read` and `<context>:write`. Without `expires_at` the key is good until it is revoked."""

    name: Line
    scopes: Annotated[list[str], Meta(min_length=1, max_length=100)]
    expires_at: Moment | None = None


class ScopeView(View, frozen=True, kw_only=True):
    """`name` is `<context>:read` or `<context>:write`."""

    name: str


class ApiKeyView(View, frozen=True, kw_only=True):
    """`last_used_at` is right to a few minutes."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class MadeApiKey(ApiKeyView, frozen=True, kw_only=True):
    """`key` is shown this once: only its hash is kept."""

    key: str


class FoundApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key's row with what matters of its owner."""

    id: UUID
    hash: bytes
    scopes: list[str]
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: UserId
    status: UserStatus
    token_version: int
    waitlisted_until: datetime | None
    deleted_at: datetime | None

"""Who performs a command."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec


class Actor(msgspec.Struct, frozen=True):
    """Made by the edge from a verified token and passed as the first argument of every command that somebody performs.

    `scopes` None means all that the user may do; a set (API keys) narrows it to `<context>:read` and `<context>:write`.
    """

    user_id: UUID
    session_id: UUID | None = None
    scopes: frozenset[str] | None = None
    is_staff: bool = False
    is_superuser: bool = False
    organization_id: UUID | None = None
    impersonator_id: UUID | None = None
    authenticated_at: datetime | None = None

    def allows(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes

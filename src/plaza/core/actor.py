"""Who performs a command, and what they may be allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

_PERMISSION = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")


@dataclass(frozen=True, slots=True)
class Permission:
    """Declared in a context's manifest: `<context or noun>.<what>`, and what it allows, for whoever grants it.

    `roles` are the built-in ones that hold it from the start, beside superuser and admin, who hold them all.
    """

    name: str
    description: str
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _PERMISSION.fullmatch(self.name):
            raise ValueError(f"{self.name} is no name of a permission: write it like users.ban")


class Actor(msgspec.Struct, frozen=True):
    """Made by the edge from a verified token and passed as the first argument of every command that somebody performs.

    `scopes` None means all that the user may do; a set (API keys) narrows it to `<context>:read` and `<context>:write`.
    `permissions` are staff's, `<context>.<what>` as contexts declare them; a superuser has them all. Where an outside issuer keeps the
    session they are those of `outside_roles` alone, and what was granted to the person here counts for nothing; None in sessions of ours.
    `methods` are what proved who it is (RFC 8176, `mfa` for more than one factor), `authenticated_at` when.
    An `impersonator_id` is the staff member who acts as this user, without permissions. `waitlisted_until` is set while waiting.
    """

    user_id: UUID
    session_id: UUID | None = None
    scopes: frozenset[str] | None = None
    is_staff: bool = False
    is_superuser: bool = False
    permissions: frozenset[str] = frozenset()
    outside_roles: frozenset[str] | None = None
    methods: frozenset[str] = frozenset()
    organization_id: UUID | None = None
    api_key_id: UUID | None = None
    impersonator_id: UUID | None = None
    authenticated_at: datetime | None = None
    waitlisted_until: datetime | None = None

    def allows(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes

    def may(self, permission: str) -> bool:
        return self.scopes is None and (self.is_superuser or permission in self.permissions)

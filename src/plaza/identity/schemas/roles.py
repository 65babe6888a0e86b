"""Roles, what they allow, and who holds them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from plaza.core.schemas import Input, Moment, Patch, View
from plaza.domain_events.identity import UserId

RoleName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{1,39}$")]
Description = Annotated[str, Meta(max_length=200)]


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody's roles let them do now. `until` is when the first grant behind it expires."""

    is_superuser: bool = False
    permissions: frozenset[str] = frozenset()
    until: datetime | None = None

    @property
    def is_staff(self) -> bool:
        return self.is_superuser or bool(self.permissions)

    def may(self, permission: str) -> bool:
        return self.is_superuser or permission in self.permissions

    def covers(self, other: Rights) -> bool:
        """Whether nothing is in the other's reach that is not in this one's."""
        return self.is_superuser or (not other.is_superuser and other.permissions <= self.permissions)


class PermissionView(View, frozen=True, kw_only=True):
    name: str
    description: str


class RoleView(View, frozen=True, kw_only=True):
    """`permissions` of the superuser are empty: that role needs none. `holders` counts those whose grant has not expired."""

    name: str
    description: str
    is_builtin: bool
    permissions: list[str]
    holders: int


class NewRole(Input, frozen=True, kw_only=True):
    name: RoleName
    description: Description = ""
    permissions: list[str] = []


class RolePatch(Patch, frozen=True, kw_only=True):
    """`permissions` are all that it holds from now on."""

    description: Description | UnsetType = UNSET
    permissions: list[str] | UnsetType = UNSET


class GrantInput(Input, frozen=True, kw_only=True):
    """Of a role that is held already it changes when it ends; without `expires_at` it does not end."""

    role: str
    expires_at: Moment | None = None


class GrantView(View, frozen=True, kw_only=True):
    """`assigned_by` is null where an operator did it on the command line."""

    role: str
    assigned_by: UserId | None
    expires_at: datetime | None
    created_at: datetime

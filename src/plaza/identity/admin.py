"""What staff see and do of people: accounts, sessions, roles and grants."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from plaza.core.actor import Actor
from plaza.core.admin import Action, AdminView, Column
from plaza.core.result import ServiceResult
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import UserStatus
from plaza.identity.repository import for_staff
from plaza.identity.schemas import (
    ROLES_READ,
    USERS_BAN,
    USERS_DEACTIVATE,
    USERS_READ,
    USERS_ROLES,
    USERS_SESSIONS,
    BanInput,
    GrantInput,
    GrantView,
    ReasonInput,
    StaffUserView,
)
from plaza.identity.service import RoleService, StaffService


class RoleForm(msgspec.Struct, frozen=True, kw_only=True):
    role: Annotated[str, Meta(max_length=40, description="As it is called under Roles: support, say.")]
    expires_at: Annotated[datetime, Meta(title="Until")] | None = None


async def ban(actor: Actor, row: Any, given: BanInput, staff: StaffService) -> ServiceResult[StaffUserView]:
    return await staff.ban(actor, UserId(row.id), given)


async def unban(actor: Actor, row: Any, staff: StaffService) -> ServiceResult[StaffUserView]:
    return await staff.unban(actor, UserId(row.id))


async def deactivate(actor: Actor, row: Any, given: ReasonInput, staff: StaffService) -> ServiceResult[StaffUserView]:
    return await staff.deactivate(actor, UserId(row.id), given)


async def reinstate(actor: Actor, row: Any, staff: StaffService) -> ServiceResult[StaffUserView]:
    return await staff.reinstate(actor, UserId(row.id))


async def end_sessions(actor: Actor, row: Any, staff: StaffService) -> ServiceResult[None]:
    return await staff.end_sessions(actor, UserId(row.id))


async def end_session(actor: Actor, row: Any, staff: StaffService) -> ServiceResult[None]:
    return await staff.end_session(actor, UserId(row.user_id), SessionId(row.id))


async def grant(actor: Actor, row: Any, given: RoleForm, roles: RoleService) -> ServiceResult[list[GrantView]]:
    return await roles.grant(actor, UserId(row.id), GrantInput(role=given.role, expires_at=given.expires_at))


async def revoke(actor: Actor, row: Any, roles: RoleService) -> ServiceResult[None]:
    return await roles.revoke(actor, UserId(row.user_id), row.role)


_OPEN = frozenset({UserStatus.ACTIVE, UserStatus.WAITLISTED})

USERS = AdminView(
    name="users",
    title="Users",
    noun="user",
    group="People",
    icon="users",
    note="Accounts, open and closed.",
    permission=USERS_READ.name,
    rows=for_staff.USERS,
    columns=(
        Column("status", choices=tuple(UserStatus)),
        Column("email", "E-mail"),
        Column("phone"),
        Column("display_name", "Name"),
        Column("username"),
        Column("is_staff", "Staff"),
        Column("is_superuser", "Superuser", listed=False),
        Column("created_at", "Since"),
        Column("last_login_at", "Last login"),
        Column("email_verified_at", "E-mail proved", listed=False),
        Column("phone_verified_at", "Phone proved", listed=False),
        Column("waitlisted_until", "Waits until", listed=False),
        Column("banned_until", listed=False),
        Column("ban_reason", "Banned because", listed=False),
        Column("deleted_at", "Deleted", listed=False),
    ),
    search=("email", "phone", "username", "display_name"),
    actions=(
        Action(
            "ban",
            "Ban",
            ban,
            permission=USERS_BAN.name,
            asks="All their sessions end, and they cannot log in until the ban is lifted or over. Without a time it has no end.",
            done="Banned. Their sessions have ended.",
            given=BanInput,
            when=lambda row: row.status not in (UserStatus.PENDING, UserStatus.BANNED) and row.deleted_at is None,
            danger=True,
        ),
        Action(
            "unban",
            "Lift the ban",
            unban,
            permission=USERS_BAN.name,
            asks="They can log in again.",
            done="The ban is lifted.",
            when=lambda row: row.status == UserStatus.BANNED,
        ),
        Action(
            "end-sessions",
            "End all sessions",
            end_sessions,
            permission=USERS_SESSIONS.name,
            asks="They are logged out everywhere within a second, and can log in again.",
            done="Their sessions have ended.",
            when=lambda row: row.status in _OPEN,
        ),
        Action(
            "grant",
            "Grant a role",
            grant,
            permission=USERS_ROLES.name,
            asks="What the role allows, they can do from their next request on. Without a time it has no end.",
            done="The role is granted.",
            given=RoleForm,
            when=lambda row: row.status != UserStatus.PENDING and row.deleted_at is None,
        ),
        Action(
            "deactivate",
            "Deactivate",
            deactivate,
            permission=USERS_DEACTIVATE.name,
            asks="The account is closed and its sessions end. The data stays.",
            done="The account is closed.",
            given=ReasonInput,
            when=lambda row: row.status in _OPEN,
            danger=True,
        ),
        Action(
            "reinstate",
            "Open again",
            reinstate,
            permission=USERS_DEACTIVATE.name,
            asks="They can log in again.",
            done="The account is open again.",
            when=lambda row: row.status == UserStatus.DEACTIVATED and row.deleted_at is None,
        ),
    ),
)

SESSIONS = AdminView(
    name="sessions",
    title="Sessions",
    noun="session",
    group="People",
    icon="laptop",
    note="Logins on devices, open and ended.",
    permission=USERS_SESSIONS.name,
    rows=for_staff.SESSIONS,
    columns=(
        Column("open"),
        Column("user_id", "User", links_to="users"),
        Column("device_name", "Device"),
        Column("platform"),
        Column("ip", "IP address"),
        Column("user_agent", listed=False),
        Column("methods", "Proved by", listed=False),
        Column("impersonator_id", "Impersonated by", links_to="users", listed=False),
        Column("impersonation_reason", "Reason given", listed=False),
        Column("created_at", "Began"),
        Column("last_used_at", "Last used"),
        Column("expires_at", "Ends", listed=False),
        Column("revoked_at", "Ended", listed=False),
        Column("revoked_reason", "Because", listed=False),
    ),
    search=("ip",),
    actions=(
        Action(
            "end",
            "End",
            end_session,
            permission=USERS_SESSIONS.name,
            asks="The device is logged out within a second.",
            done="The session has ended.",
            when=lambda row: row.open,
            danger=True,
        ),
    ),
)

ROLES = AdminView(
    name="roles",
    title="Roles",
    noun="role",
    group="People",
    icon="user-shield",
    note="What they allow.",
    permission=ROLES_READ.name,
    rows=for_staff.ROLES,
    columns=(Column("name"), Column("description"), Column("is_builtin", "Built in"), Column("permissions")),
    search=("name",),
)

GRANTS = AdminView(
    name="grants",
    title="Grants",
    noun="grant",
    group="People",
    icon="key",
    note="Who has which role.",
    permission=ROLES_READ.name,
    rows=for_staff.GRANTS,
    columns=(
        Column("user_id", "User", links_to="users"),
        Column("role_id", "Role's id", links_to="roles", listed=False),
        Column("role"),
        Column("assigned_by", "Granted by", links_to="users"),
        Column("created_at", "Granted"),
        Column("expires_at", "Until"),
    ),
    order=("created_at",),
    search=("role",),
    actions=(
        Action(
            "revoke",
            "Revoke",
            revoke,
            permission=USERS_ROLES.name,
            asks="What only this role allows, they can do no more from their next request on.",
            done="The role is revoked.",
            danger=True,
        ),
    ),
)

"""What staff see and do of people: accounts, sessions, roles and grants."""

from __future__ import annotations

from plaza.core.admin import AdminView, Column
from plaza.identity.models import UserStatus
from plaza.identity.repository import for_staff

USERS = AdminView(
    name="users",
    title="Users",
    noun="user",
    group="People",
    icon="users",
    note="Accounts, open and closed.",
    permission="identity.users_read",
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
        Column("deleted_at", "Deleted", listed=False),
    ),
    search=("email", "phone", "username", "display_name"),
)

SESSIONS = AdminView(
    name="sessions",
    title="Sessions",
    noun="session",
    group="People",
    icon="laptop",
    note="Logins on devices, open and ended.",
    permission="identity.users_read",
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
)

ROLES = AdminView(
    name="roles",
    title="Roles",
    noun="role",
    group="People",
    icon="user-shield",
    note="What they allow.",
    permission="identity.roles_read",
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
    permission="identity.roles_read",
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
)

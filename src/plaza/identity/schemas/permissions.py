"""The permissions that identity declares."""

from __future__ import annotations

from plaza.core.actor import Permission

USERS_READ = Permission("users.read", "Find people and see their accounts", ("manager", "staff", "support"))
USERS_BAN = Permission("users.ban", "Ban people, and lift bans", ("manager", "support"))
USERS_DEACTIVATE = Permission("users.deactivate", "Close accounts, and open them again", ("manager",))
USERS_SESSIONS = Permission("users.sessions", "See and end people's sessions", ("manager", "support"))
USERS_IMPERSONATE = Permission("users.impersonate", "Act as a person for half an hour", ("manager",))
USERS_ROLES = Permission("users.roles", "Give people roles, and take them away")
ROLES_READ = Permission("roles.read", "See roles and what they allow", ("manager",))
ROLES_MANAGE = Permission("roles.manage", "Make and remove roles, and change what they allow")

PERMISSIONS = (
    USERS_READ,
    USERS_BAN,
    USERS_DEACTIVATE,
    USERS_SESSIONS,
    USERS_IMPERSONATE,
    USERS_ROLES,
    ROLES_READ,
    ROLES_MANAGE,
)

"""What the staff site shows of identity's tables: no credentials, and of profiles only what everybody may see."""

from __future__ import annotations

from sqlalchemy import String, and_, cast, func, select

from plaza.identity.models import Profile, Role, RolePermission, Session, User, UserRole

USERS = (
    select(
        User.id,
        User.email,
        User.phone,
        User.status,
        User.is_staff,
        User.is_superuser,
        Profile.display_name,
        Profile.username,
        User.email_verified_at,
        User.phone_verified_at,
        User.created_at,
        User.last_login_at,
        User.waitlisted_until,
        User.banned_until,
        User.ban_reason,
        User.deleted_at,
    )
    .select_from(User)
    .outerjoin(Profile, Profile.user_id == User.id)
)

SESSIONS = select(
    Session.id,
    Session.user_id,
    and_(Session.revoked_at.is_(None), Session.expires_at > func.now()).label("open"),
    Session.device_name,
    Session.platform,
    Session.ip,
    Session.user_agent,
    Session.methods,
    Session.impersonator_id,
    Session.impersonation_reason,
    Session.created_at,
    Session.last_used_at,
    Session.expires_at,
    Session.revoked_at,
    Session.revoked_reason,
)

ROLES = select(
    Role.id,
    Role.name,
    Role.description,
    Role.is_builtin,
    select(func.array_agg(RolePermission.permission))
    .where(RolePermission.role_id == Role.id)
    .scalar_subquery()
    .label("permissions"),
    Role.created_at,
)

GRANTS = select(
    (cast(UserRole.user_id, String) + ":" + cast(UserRole.role_id, String)).label("id"),
    UserRole.user_id,
    UserRole.role_id,
    Role.name.label("role"),
    UserRole.assigned_by,
    UserRole.created_at,
    UserRole.expires_at,
).join(Role, Role.id == UserRole.role_id)

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, literal_column, select

from plaza.core.db import Repository
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import Profile, Role, Session, User, UserRole, UserStatus
from plaza.identity.models.users import SEARCHED
from plaza.identity.repository.roles import RoleRepository, live
from plaza.identity.schemas import Device, StaffSessionView, StaffUserView, UserSearch

_USERS: Select[Any] = (
    select(
        User.id,
        User.email,
        User.phone,
        User.email_verified_at.is_not(None).label("email_verified"),
        User.phone_verified_at.is_not(None).label("phone_verified"),
        User.status,
        User.is_staff,
        User.is_superuser,
        Profile.username,
        Profile.display_name,
        Profile.first_name,
        Profile.last_name,
        User.created_at,
        User.last_login_at,
        User.waitlisted_until,
        User.banned_until,
        User.ban_reason,
    )
    .join(Profile, Profile.user_id == User.id)
    .where(User.deleted_at.is_(None))
)
_PHONE = re.compile(r"\+[\d ()./-]+")


class StaffRepository(Repository[User]):
    """What staff look up about people."""

    model = User

    async def search(
        self, wanted: UserSearch, now: datetime, *, after: UserId | None, limit: int
    ) -> list[StaffUserView]:
        """Newest first, those before `after`."""
        statement = _USERS
        if wanted.text is not None:
            statement = statement.where(_holds(wanted.text.strip()))
        if wanted.status is not None:
            statement = statement.where(User.status == wanted.status)
        if wanted.role is not None:
            held = exists().where(UserRole.user_id == User.id, UserRole.role_id == Role.id, live(now))
            statement = statement.where(held.where(Role.name == wanted.role))
        if after is not None:
            statement = statement.where(User.id < after)
        return await self._views(statement.order_by(User.id.desc()).limit(limit), now)

    async def view(self, user_id: UserId, now: datetime) -> StaffUserView | None:
        found = await self._views(_USERS.where(User.id == user_id), now)
        return found[0] if found else None

    async def sessions(
        self, user_id: UserId, now: datetime, *, after: SessionId | None, limit: int
    ) -> list[StaffSessionView]:
        """The open ones, newest first, those before `after`; those of impersonators included."""
        statement = (
            select(Session.__table__)
            .where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > now)
            .order_by(Session.id.desc())
            .limit(limit)
        )
        if after is not None:
            statement = statement.where(Session.id < after)
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            StaffSessionView(
                id=row.id,
                device=Device(name=row.device_name, platform=row.platform, user_agent=row.user_agent),
                ip=row.ip,
                methods=row.methods,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=row.expires_at,
                impersonator_id=row.impersonator_id,
                impersonation_reason=row.impersonation_reason,
            )
            for row in rows
        ]

    async def lock_lapsed_bans(self, now: datetime, limit: int) -> Sequence[User]:
        statement = (
            self.rows()
            .where(User.status == UserStatus.BANNED, User.banned_until <= now)
            .order_by(User.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).all()

    async def _views(self, statement: Select[Any], now: datetime) -> list[StaffUserView]:
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        roles = await RoleRepository(self.db).grants_of([row["id"] for row in rows], now)
        return [StaffUserView(**row, roles=roles[row["id"]]) for row in rows]


def _holds(text: str) -> ColumnElement[bool]:
    try:
        return User.id == UUID(text)
    except ValueError:
        pass
    if _PHONE.fullmatch(text):
        return User.phone == "+" + re.sub(r"\D", "", text)
    part = "%" + re.sub(r"([\\%_])", r"\\\1", text.lower()) + "%"
    if "@" in text:
        return User.email.like(part)
    return literal_column(SEARCHED).like(part) | func.coalesce(User.email, "").like(part)

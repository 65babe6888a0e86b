from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import Role, RolePermission, Session, User, UserRole, UserStatus
from plaza.identity.repository.users import STALE_CHANNEL, stale_note
from plaza.identity.schemas import GrantView, Rights, RoleView

SUPERUSER = "superuser"
ROLES_CHANNEL = "identity_roles_changed"
# A notification holds 8,000 bytes: an id, a version and two signs take 36 + 10 + 3 at the most.
_PER_NOTE = 160
_NOTIFY = text("select pg_notify(:channel, :payload)")


def live(now: datetime) -> ColumnElement[bool]:
    return or_(UserRole.expires_at.is_(None), UserRole.expires_at > now)


class RoleRepository(Repository[Role]):
    model = Role

    async def hold(self) -> None:
        """Until the transaction ends nobody else changes roles or grants. Taken before any person's row."""
        statement = select(Role.id).where(Role.name == SUPERUSER).with_for_update()
        await (await self.db.session.connection()).execute(statement)

    async def rights_of(self, user_id: UserId, now: datetime) -> Rights:
        statement = (
            select(
                func.bool_or(Role.name == SUPERUSER).label("is_superuser"),
                func.array_agg(RolePermission.permission.distinct())
                .filter(RolePermission.permission.is_not(None))
                .label("permissions"),
                func.min(UserRole.expires_at)
                .filter(or_(RolePermission.permission.is_not(None), Role.name == SUPERUSER))
                .label("until"),
            )
            .select_from(UserRole)
            .join(Role, Role.id == UserRole.role_id)
            .outerjoin(RolePermission, RolePermission.role_id == Role.id)
            .where(UserRole.user_id == user_id, live(now))
        )
        async with self.db.reading() as connection:
            row = (await connection.execute(statement)).one()
        return Rights(
            is_superuser=bool(row.is_superuser), permissions=frozenset(row.permissions or ()), until=row.until
        )

    async def named(self, name: str) -> Role | None:
        return (await self.db.session.scalars(self.rows().where(Role.name == name))).one_or_none()

    async def permissions_of(self, role_id: UUID) -> frozenset[str]:
        statement = select(RolePermission.permission).where(RolePermission.role_id == role_id)
        async with self.db.reading() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def permissions_of_roles(self, names: Collection[str]) -> frozenset[str]:
        """Of all of them together; names of no role add nothing."""
        statement = (
            select(RolePermission.permission).join(Role, Role.id == RolePermission.role_id).where(Role.name.in_(names))
        )
        async with self.db.reading() as connection:
            return frozenset((await connection.execute(statement)).scalars())

    async def tell_changed(self) -> None:
        """Every process, should the transaction commit, that some role allows something else."""
        await (await self.db.session.connection()).execute(_NOTIFY, {"channel": ROLES_CHANNEL, "payload": ""})

    async def set_permissions(self, role_id: UUID, permissions: Collection[str]) -> None:
        connection = await self.db.session.connection()
        await connection.execute(delete(RolePermission).where(RolePermission.role_id == role_id))
        if permissions:
            rows = [{"role_id": role_id, "permission": each} for each in sorted(permissions)]
            await connection.execute(insert(RolePermission), rows)

    async def views(self, now: datetime) -> list[RoleView]:
        """The built-in ones first, then by name."""
        permissions = (
            select(func.coalesce(func.array_agg(RolePermission.permission), text("'{}'::text[]")))
            .where(RolePermission.role_id == Role.id)
            .scalar_subquery()
        )
        holders = select(func.count()).where(UserRole.role_id == Role.id, live(now)).scalar_subquery()
        statement = select(
            Role.name,
            Role.description,
            Role.is_builtin,
            permissions.label("permissions"),
            holders.label("holders"),
        ).order_by(Role.is_builtin.desc(), Role.name)
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return [RoleView(**{**row, "permissions": sorted(row["permissions"])}) for row in rows]

    async def remove(self, role_id: UUID) -> None:
        await (await self.db.session.connection()).execute(delete(Role).where(Role.id == role_id))

    async def holders(self, role_id: UUID) -> list[UserId]:
        """Those whose grant has expired included: their row stands until it is swept."""
        statement = select(UserRole.user_id).where(UserRole.role_id == role_id).order_by(UserRole.user_id)
        async with self.db.reading() as connection:
            return list((await connection.execute(statement)).scalars())

    async def grants_of(self, user_ids: Collection[UserId], now: datetime) -> dict[UserId, list[GrantView]]:
        statement = (
            select(UserRole.user_id, Role.name, UserRole.assigned_by, UserRole.expires_at, UserRole.created_at)
            .join(Role, Role.id == UserRole.role_id)
            .where(UserRole.user_id.in_(user_ids), live(now))
            .order_by(Role.name)
        )
        found: dict[UserId, list[GrantView]] = {user_id: [] for user_id in user_ids}
        async with self.db.reading() as connection:
            for row in await connection.execute(statement):
                found[row.user_id].append(
                    GrantView(
                        role=row.name, assigned_by=row.assigned_by, expires_at=row.expires_at, created_at=row.created_at
                    )
                )
        return found

    async def put_grant(
        self, user_id: UserId, role_id: UUID, *, by: UserId | None, until: datetime | None, now: datetime
    ) -> None:
        values = {"assigned_by": by, "expires_at": until, "created_at": now}
        statement = upsert(UserRole).values(user_id=user_id, role_id=role_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["user_id", "role_id"], set_=values)
        await (await self.db.session.connection()).execute(statement)

    async def remove_grant(self, user_id: UserId, role_id: UUID) -> None:
        statement = delete(UserRole).where(UserRole.user_id == user_id, UserRole.role_id == role_id)
        await (await self.db.session.connection()).execute(statement)

    async def remove_expired(self, now: datetime, limit: int) -> list[tuple[UserId, str]]:
        """(user, role) of each grant that was taken away."""
        connection = await self.db.session.connection()
        doomed = (
            select(UserRole.user_id, UserRole.role_id, Role.name)
            .join(Role, Role.id == UserRole.role_id)
            .where(UserRole.expires_at <= now)
            .limit(limit)
        )
        rows = (await connection.execute(doomed)).all()
        for row in rows:
            await self.remove_grant(row.user_id, row.role_id)
        return [(row.user_id, row.name) for row in rows]

    async def a_superuser_besides(self, user_id: UserId) -> bool:
        """Whether somebody else is one for good and can use the account."""
        statement = select(
            exists()
            .where(User.id == UserRole.user_id, Role.id == UserRole.role_id, Role.name == SUPERUSER)
            .where(UserRole.expires_at.is_(None), UserRole.user_id != user_id)
            .where(User.status == UserStatus.ACTIVE, User.deleted_at.is_(None))
        )
        async with self.db.reading() as connection:
            return bool((await connection.execute(statement)).scalar())

    async def settle(self, user_ids: Collection[UserId], now: datetime) -> list[tuple[UserId, int, bool]]:
        """After any change of their grants or of what these allow: is_staff and is_superuser follow, and access tokens are stale.

        Answers for each the token version that counts from now on, and whether they are waitlisted. Locks their rows in id order.
        """
        connection = await self.db.session.connection()
        ids = sorted(set(user_ids))
        await connection.execute(select(User.id).where(User.id.in_(ids)).order_by(User.id).with_for_update())
        held = and_(UserRole.user_id == User.id, Role.id == UserRole.role_id, live(now))
        is_superuser = exists().where(held, Role.name == SUPERUSER)
        is_staff = or_(is_superuser, exists().where(held, RolePermission.role_id == Role.id))
        settled = await connection.execute(
            update(User)
            .where(User.id.in_(ids))
            .values(
                is_superuser=is_superuser,
                is_staff=is_staff,
                token_version=User.token_version + 1,
                token_version_at=now,
                version=User.version + 1,
            )
            .returning(User.id, User.token_version, User.status)
        )
        rows = [(row.id, row.token_version, row.status is UserStatus.WAITLISTED) for row in settled]
        for start in range(0, len(rows), _PER_NOTE):
            payload = ",".join(stale_note(*each) for each in rows[start : start + _PER_NOTE])
            await connection.execute(_NOTIFY, {"channel": STALE_CHANNEL, "payload": payload})
        return rows

    async def impersonators(self, user_ids: Collection[UserId] | None = None) -> Sequence[UserId]:
        """Those of them, or of everybody, who act as somebody else just now."""
        statement: Any = (
            select(Session.impersonator_id)
            .distinct()
            .where(Session.impersonator_id.is_not(None), Session.revoked_at.is_(None))
        )
        if user_ids is not None:
            statement = statement.where(Session.impersonator_id.in_(user_ids))
        async with self.db.reading() as connection:
            return list((await connection.execute(statement)).scalars())

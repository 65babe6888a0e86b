from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.dialects.postgresql import insert

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import DeviceKey, User
from plaza.identity.schemas import DeviceKeyView


class DeviceKeyRepository(Repository[DeviceKey]):
    model = DeviceKey

    async def of_claimed(
        self, *, email: str | None, user_id: UUID | None, limit: int
    ) -> tuple[UserId | None, list[tuple[UUID, bytes]]]:
        """Whom the one that is given belongs to, and their keys (id, public key). One statement, also where it is nobody."""
        match = User.email == email if email is not None else User.id == user_id
        statement = (
            select(User.id.label("user_id"), DeviceKey.id, DeviceKey.public_key)
            .outerjoin(DeviceKey, DeviceKey.user_id == User.id)
            .where(and_(match, User.deleted_at.is_(None)))
            .order_by(DeviceKey.id)
            .limit(limit)
        )
        async with self.db.reading(fresh=True) as connection:
            rows = (await connection.execute(statement)).all()
        return (rows[0].user_id if rows else None), [(row.id, row.public_key) for row in rows if row.id is not None]

    async def lock_of_user(self, user_id: UserId, id: UUID | None) -> Sequence[DeviceKey]:
        """That one of theirs, without an `id` all."""
        statement = select(DeviceKey).where(DeviceKey.user_id == user_id).order_by(DeviceKey.id).with_for_update()
        if id is not None:
            statement = statement.where(DeviceKey.id == id)
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).all()

    async def count(self, user_id: UserId) -> int:
        return (await self.db.session.scalars(select(func.count()).where(DeviceKey.user_id == user_id))).one()

    async def insert(self, **values: Any) -> bool:
        """False where somebody has this key already."""
        statement = insert(DeviceKey).values(version=1, **values).on_conflict_do_nothing().returning(DeviceKey.id)
        return (await (await self.db.session.connection()).execute(statement)).scalar() is not None

    async def views(self, user_id: UserId) -> list[DeviceKeyView]:
        columns = [DeviceKey.__table__.c[name] for name in DeviceKeyView.__struct_fields__]
        statement = select(*columns).where(DeviceKey.user_id == user_id).order_by(DeviceKey.id)
        async with self.db.reading() as connection:
            return [DeviceKeyView(**row) for row in (await connection.execute(statement)).mappings()]

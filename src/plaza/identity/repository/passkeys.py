from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import Passkey
from plaza.identity.schemas import PasskeyView


class PasskeyRepository(Repository[Passkey]):
    model = Passkey

    async def owner_of(self, credential_id: bytes) -> tuple[UUID, UserId] | None:
        """(id of the passkey, its owner)."""
        statement = select(Passkey.id, Passkey.user_id).where(Passkey.credential_id == credential_id)
        row = (await self.db.session.execute(statement)).one_or_none()
        return (row.id, row.user_id) if row is not None else None

    async def credentials_of(self, user_id: UserId) -> list[tuple[bytes, list[str]]]:
        """(credential id, transports) each."""
        statement = select(Passkey.credential_id, Passkey.transports).where(Passkey.user_id == user_id)
        async with self.db.reading() as connection:
            return [(row.credential_id, row.transports) for row in await connection.execute(statement)]

    async def count(self, user_id: UserId) -> int:
        statement = select(func.count()).where(Passkey.user_id == user_id)
        return (await self.db.session.scalars(statement)).one()

    async def insert(self, **values: Any) -> bool:
        """False where somebody has a credential of this id already."""
        statement = insert(Passkey).values(version=1, **values).on_conflict_do_nothing().returning(Passkey.id)
        return (await (await self.db.session.connection()).execute(statement)).scalar() is not None

    async def views(self, user_id: UserId, *, after: UUID | None, limit: int) -> list[PasskeyView]:
        """The newest first, those before `after`."""
        columns = [Passkey.__table__.c[name] for name in PasskeyView.__struct_fields__]
        statement = select(*columns).where(Passkey.user_id == user_id)
        if after is not None:
            statement = statement.where(Passkey.id < after)
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement.order_by(Passkey.id.desc()).limit(limit))).mappings().all()
        return [PasskeyView(**row) for row in rows]

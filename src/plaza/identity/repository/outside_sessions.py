from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from plaza.core.db import Repository
from plaza.identity.models import OutsideSession


class OutsideSessionRepository(Repository[OutsideSession]):
    model = OutsideSession

    async def lock_by_hash(self, hash: bytes) -> OutsideSession | None:
        statement = select(OutsideSession).where(OutsideSession.hash == hash).with_for_update()
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def purge(self, before: datetime, limit: int) -> int:
        doomed = (
            select(OutsideSession.hash)
            .where(OutsideSession.created_at < before)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        result = await (await self.db.session.connection()).execute(
            delete(OutsideSession).where(OutsideSession.hash.in_(doomed))
        )
        return result.rowcount

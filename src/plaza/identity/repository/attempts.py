from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from plaza.core.db import Repository
from plaza.identity.models import LoginAttempt


class LoginAttemptRepository(Repository[LoginAttempt]):
    model = LoginAttempt

    async def purge(self, before: datetime, limit: int) -> int:
        doomed = select(LoginAttempt.id).where(LoginAttempt.at < before).limit(limit).with_for_update(skip_locked=True)
        result = await (await self.db.session.connection()).execute(
            delete(LoginAttempt).where(LoginAttempt.id.in_(doomed))
        )
        return result.rowcount

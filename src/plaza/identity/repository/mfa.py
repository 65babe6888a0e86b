from __future__ import annotations

from sqlalchemy import exists, select

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import MfaChallenge, RecoveryCode, TotpDevice


class MfaRepository(Repository[MfaChallenge]):
    model = MfaChallenge

    async def methods_of(self, user_id: UserId) -> tuple[str, ...]:
        """The second factors that somebody can show; none without a confirmed device."""
        codes = exists().where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
        statement = select(codes).where(TotpDevice.user_id == user_id, TotpDevice.confirmed_at.is_not(None))
        async with self.db.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return ()
        return ("totp", "recovery_code") if row[0] else ("totp",)

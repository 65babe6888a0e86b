from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, not_, or_, select, update

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import Purpose, VerificationToken


class VerificationRepository(Repository[VerificationToken]):
    model = VerificationToken

    async def lock_of_address(self, address: str, purpose: Purpose, since: datetime) -> Sequence[VerificationToken]:
        """All that had not expired by then, used ones too, oldest first."""
        statement = (
            select(VerificationToken)
            .where(
                VerificationToken.address == address,
                VerificationToken.purpose == purpose.value,
                VerificationToken.expires_at > since,
            )
            .order_by(VerificationToken.id)
            .with_for_update()
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).all()

    async def address_of_link(self, link_hash: bytes, purpose: Purpose) -> str | None:
        async with self.db.reading() as connection:
            statement = select(VerificationToken.address).where(
                VerificationToken.link_hash == link_hash, VerificationToken.purpose == purpose.value
            )
            return (await connection.execute(statement)).scalar()

    async def owner_of_link(self, link_hash: bytes, purpose: Purpose) -> UserId | None:
        async with self.db.reading(fresh=True) as connection:
            statement = select(VerificationToken.user_id).where(
                VerificationToken.link_hash == link_hash, VerificationToken.purpose == purpose.value
            )
            return (await connection.execute(statement)).scalar()

    async def latest_address(self, purpose: Purpose, user_id: UserId) -> str | None:
        async with self.db.reading() as connection:
            statement = (
                select(VerificationToken.address)
                .where(VerificationToken.user_id == user_id, VerificationToken.purpose == purpose.value)
                .order_by(VerificationToken.id.desc())
                .limit(1)
            )
            return (await connection.execute(statement)).scalar()

    async def void_later(self, token: VerificationToken, now: datetime) -> None:
        await (await self.db.session.connection()).execute(
            update(VerificationToken)
            .where(
                VerificationToken.user_id == token.user_id,
                VerificationToken.purpose == token.purpose,
                VerificationToken.id > token.id,
                VerificationToken.used_at.is_(None),
            )
            .values(used_at=now, version=VerificationToken.version + 1)
        )

    async def outstanding(self, address: str, purpose: Purpose) -> Sequence[VerificationToken]:
        """Never used, expired ones too, oldest first."""
        statement = (
            select(VerificationToken)
            .where(
                VerificationToken.address == address,
                VerificationToken.purpose == purpose.value,
                VerificationToken.used_at.is_(None),
                VerificationToken.user_id.is_not(None),
            )
            .order_by(VerificationToken.id)
        )
        return (await self.db.session.scalars(statement)).all()

    async def purge(self, expired_before: datetime, made_before: datetime, limit: int) -> int:
        """Expired ones. Those that carry a password stay until `made_before`: a new code takes it over from them."""
        carries = and_(VerificationToken.used_at.is_(None), VerificationToken.password_hash.is_not(None))
        doomed = (
            select(VerificationToken.id)
            .where(
                VerificationToken.expires_at < expired_before,
                or_(not_(carries), VerificationToken.created_at < made_before),
            )
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        result = await (await self.db.session.connection()).execute(
            delete(VerificationToken).where(VerificationToken.id.in_(doomed))
        )
        return result.rowcount

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text

from plaza.core.db import Repository
from plaza.identity.models import SigningKey

KEYS_CHANNEL = "identity_signing_keys"
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('identity_signing_key', 0))")


class KeyRepository(Repository[SigningKey]):
    """By kid, not by id."""

    model = SigningKey

    async def lock_ring(self) -> SigningKey | None:
        """The key that signs now; nobody else can make or retire one until the transaction ends."""
        await self.db.session.execute(_LOCK)
        statement = (
            select(SigningKey).where(SigningKey.retired_at.is_(None)).order_by(SigningKey.created_at.desc()).limit(1)
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def usable(self, retired_after: datetime) -> list[tuple[str, str | None, dict[str, Any], datetime | None]]:
        """(kid, sealed private key, public key, retired_at), the signing one first."""
        statement = (
            select(SigningKey.kid, SigningKey.sealed_private_key, SigningKey.public_key, SigningKey.retired_at)
            .where(func.coalesce(SigningKey.retired_at > retired_after, True))
            .order_by(SigningKey.retired_at.desc().nulls_first(), SigningKey.created_at.desc())
        )
        async with self.db.reading(fresh=True) as connection:
            return [tuple(row) for row in await connection.execute(statement)]

    async def tell(self) -> None:
        """Every process reads the keys again, should the transaction commit."""
        await self.db.session.execute(select(func.pg_notify(KEYS_CHANNEL, "")))

    async def purge(self, retired_before: datetime) -> int:
        result = await (await self.db.session.connection()).execute(
            delete(SigningKey).where(SigningKey.retired_at < retired_before)
        )
        return result.rowcount

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, text, update

from plaza.core.db import Repository
from plaza.domain_events.identity import UserId
from plaza.identity.models import ApiKey, User
from plaza.identity.schemas import ApiKeyView, FoundApiKey

REVOKED_CHANNEL = "identity_api_key_revoked"
_NOTIFY = text("select pg_notify(:channel, :payload)")
_KEYS = ApiKey.__table__.c


class ApiKeyRepository(Repository[ApiKey]):
    model = ApiKey

    async def found(self, prefix: str) -> FoundApiKey | None:
        statement = (
            select(
                ApiKey.id,
                ApiKey.hash,
                ApiKey.scopes,
                ApiKey.expires_at,
                ApiKey.revoked_at,
                ApiKey.user_id,
                User.status,
                User.token_version,
                User.waitlisted_until,
                User.deleted_at,
            )
            .join(User, User.id == ApiKey.user_id)
            .where(ApiKey.prefix == prefix)
        )
        async with self.db.reading(fresh=True) as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
        return FoundApiKey(**row) if row is not None else None

    async def count(self, user_id: UserId, now: datetime) -> int:
        """Of those that work."""
        statement = select(func.count()).where(
            ApiKey.user_id == user_id,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
        )
        async with self.db.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def page(self, user_id: UserId, *, after: UUID | None, limit: int) -> list[ApiKeyView]:
        """Those that are not revoked, newest first, before `after`."""
        columns = [_KEYS[name] for name in ApiKeyView.__struct_fields__]
        statement = select(*columns).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
        if after is not None:
            statement = statement.where(ApiKey.id < after)
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement.order_by(ApiKey.id.desc()).limit(limit))).mappings().all()
        return [ApiKeyView(**row) for row in rows]

    async def revoke_made_after(self, user_id: UserId, since: datetime, now: datetime) -> int:
        """How many. Every process is told, should the transaction commit."""
        connection = await self.db.session.connection()
        statement = (
            update(ApiKey)
            .where(ApiKey.user_id == user_id, ApiKey.created_at > since, ApiKey.revoked_at.is_(None))
            .values(revoked_at=now, version=ApiKey.version + 1)
            .returning(ApiKey.id)
        )
        revoked = (await connection.execute(statement)).scalars().all()
        for key_id in revoked:
            await self.tell_revoked(key_id)
        return len(revoked)

    async def tell_revoked(self, key_id: UUID) -> None:
        """To every process, should the transaction commit."""
        payload = {"channel": REVOKED_CHANNEL, "payload": str(key_id)}
        await (await self.db.session.connection()).execute(_NOTIFY, payload)

    async def revoked_since(self, since: datetime) -> Sequence[tuple[UUID, datetime]]:
        statement = select(ApiKey.id, ApiKey.revoked_at).where(ApiKey.revoked_at > since)
        async with self.db.reading(fresh=True) as connection:
            return [(row.id, row.revoked_at) for row in await connection.execute(statement) if row.revoked_at]

    async def note_use(self, used: Mapping[UUID, datetime]) -> None:
        """The version stays: this is no change that somebody made."""
        statement = (
            update(ApiKey.__table__)  # type: ignore[arg-type] # typed as any FROM clause
            .where(_KEYS.id == bindparam("key_id"))
            .values(last_used_at=bindparam("at"))
        )
        rows = [{"key_id": key_id, "at": used[key_id]} for key_id in sorted(used)]
        await (await self.db.session.connection()).execute(statement, rows)

    async def purge(self, before: datetime) -> int:
        over = or_(ApiKey.revoked_at < before, ApiKey.expires_at < before)
        return (await (await self.db.session.connection()).execute(delete(ApiKey).where(over))).rowcount

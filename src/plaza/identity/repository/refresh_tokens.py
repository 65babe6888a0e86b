from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select, text

from plaza.core.db import Repository
from plaza.domain_events.identity import SessionId
from plaza.identity.models import RefreshToken
from plaza.identity.repository.sessions import OPEN_SESSION, OpenSession, open_session

# Each session is locked first, in the order of their ids. Its token is then looked at as it is now and not as it was when the statement
# began: of parallel uses of one token, one finds it unused.
_ROTATE = text(
    f"""with given as (
      select * from unnest(
        cast(:hashes as bytea[]), cast(:ids as uuid[]), cast(:successors as bytea[]), cast(:ips as text[])
      ) as t(hash, id, successor, ip)
    ),
    kept as (
      select s.id as session_id, g.*
      from given g
      join identity_refresh_token t on t.hash = g.hash
      join identity_session s on s.id = t.session_id
      join identity_user u on u.id = s.user_id
      where t.used_at is null and t.expires_at > :now and s.revoked_at is null and s.expires_at > :now
        and u.deleted_at is null and u.status in ('active', 'waitlisted')
      order by s.id for update of s
    ),
    used as (
      update identity_refresh_token t set used_at = :now, version = t.version + 1 from kept k
      where t.hash = k.hash and t.session_id = k.session_id and t.used_at is null
      returning t.id, k.session_id, k.hash, k.id as successor_id, k.successor, k.ip
    ),
    renewed as (
      update identity_session s set last_used_at = :now, ip = used.ip, version = s.version + 1,
        expires_at = least(:idle_until, s.created_at + :longest)
      from used where s.id = used.session_id
      returning s.id, s.user_id, s.authenticated_at, s.expires_at, s.methods, used.hash
    ),
    made as (
      insert into identity_refresh_token (id, session_id, parent_id, hash, created_at, expires_at, version)
      select used.successor_id, used.session_id, used.id, used.successor, :now, renewed.expires_at, 1
      from used join renewed on renewed.id = used.session_id
    )
    select s.hash, {OPEN_SESSION}
    from renewed s join identity_user u on u.id = s.user_id join identity_profile p on p.user_id = u.id"""  # noqa: S608 - constants
)


class Rotation(NamedTuple):
    """What takes a token's place: an id and a hash; and where it was asked for."""

    successor_id: UUID
    successor: bytes
    ip: str


class RefreshTokenRepository(Repository[RefreshToken]):
    model = RefreshToken

    async def rotate(
        self, given: Mapping[bytes, Rotation], now: datetime, idle: timedelta, longest: timedelta
    ) -> dict[bytes, OpenSession]:
        """Uses these tokens up (by their hashes), makes their successors, and moves the sessions on by `idle`, but not `longest` beyond

        their beginning. Left out is what is no good, or was used before.
        """
        values = {
            "hashes": list(given),
            "ids": [each.successor_id for each in given.values()],
            "successors": [each.successor for each in given.values()],
            "ips": [each.ip for each in given.values()],
            "now": now,
            "idle_until": now + idle,
            "longest": longest,
        }
        rows = (await (await self.db.session.connection()).execute(_ROTATE, values)).mappings()
        return {row["hash"]: open_session(row) for row in rows}

    async def session_of(self, hash: bytes) -> SessionId | None:
        async with self.db.reading() as connection:
            return (await connection.execute(select(RefreshToken.session_id).where(RefreshToken.hash == hash))).scalar()

    async def by_hash(self, hash: bytes) -> RefreshToken | None:
        """To be read under its session's lock."""
        statement = select(RefreshToken).where(RefreshToken.hash == hash)
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def successor_of(self, id: UUID) -> RefreshToken | None:
        statement = select(RefreshToken).where(RefreshToken.parent_id == id)
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

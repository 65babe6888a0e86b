from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import DateTime, Interval, bindparam, func, insert, literal, or_, select, update

from plaza.core.db import Repository
from plaza.domain_events.identity import SessionId
from plaza.identity.models import RefreshToken, Session, User, UserStatus
from plaza.identity.repository.users import ME
from plaza.identity.schemas import UserView

# None of these is called like a column: SQLAlchemy would set that to it.
_NOW = bindparam("now", type_=DateTime(timezone=True))

# The usual refresh is one statement. The session is locked first; the token is then looked at as it is now, not as it was when the
# statement began: of parallel calls one finds it unused.
_kept = (
    select(Session.id)
    .join(RefreshToken, RefreshToken.session_id == Session.id)
    .join(User, User.id == Session.user_id)
    .where(
        RefreshToken.hash == bindparam("given_hash"),
        RefreshToken.used_at.is_(None),
        RefreshToken.expires_at > _NOW,
        Session.revoked_at.is_(None),
        Session.expires_at > _NOW,
        User.deleted_at.is_(None),
        or_(
            User.status == UserStatus.ACTIVE, User.status == UserStatus.WAITLISTED
        ),  # a list would be rendered anew each time
    )
    .with_for_update(of=Session)
    .cte("kept")
)
_used = (
    update(RefreshToken)
    .where(
        RefreshToken.hash == bindparam("given_hash"),
        RefreshToken.used_at.is_(None),
        RefreshToken.session_id == _kept.c.id,
    )
    .values(used_at=_NOW, version=RefreshToken.version + 1)
    .returning(RefreshToken.id, RefreshToken.session_id)
    .cte("used")
)
_renewed = (
    update(Session)
    .where(Session.id == _used.c.session_id)
    .values(
        last_used_at=_NOW,
        ip=bindparam("from_ip"),
        expires_at=func.least(
            bindparam("idle_until", type_=DateTime(timezone=True)),
            Session.created_at + bindparam("longest", type_=Interval),
        ),
        version=Session.version + 1,
    )
    .returning(Session.id, Session.user_id, Session.authenticated_at, Session.expires_at, Session.methods)
    .cte("renewed")
)
_made = (
    insert(RefreshToken)
    .from_select(
        ["id", "session_id", "parent_id", "hash", "created_at", "expires_at", "version"],
        select(
            bindparam("new_id", type_=RefreshToken.id.type),
            _renewed.c.id,
            _used.c.id,
            bindparam("new_hash", type_=RefreshToken.hash.type),
            _NOW,
            _renewed.c.expires_at,
            literal(1),
        ).where(_used.c.session_id == _renewed.c.id),
    )
    .cte("made")
)
ROTATE = (
    ME.add_columns(
        _renewed.c.id.label("session_id"),
        _renewed.c.authenticated_at,
        _renewed.c.expires_at,
        _renewed.c.methods,
        User.token_version,
        User.waitlisted_until,
    )
    .join(_renewed, _renewed.c.user_id == User.id)
    .add_cte(_made)
)


class Renewed(NamedTuple):
    """A session that goes on, and whose it is."""

    user: UserView
    session_id: SessionId
    authenticated_at: datetime
    expires_at: datetime
    methods: list[str]
    token_version: int
    waitlisted_until: datetime | None


class RefreshTokenRepository(Repository[RefreshToken]):
    model = RefreshToken

    async def rotate(self, **values: Any) -> Renewed | None:
        """Uses the token with `given_hash` up, makes `new_id` with `new_hash`, and moves the session on, at `now` and `from_ip`:

        to `idle_until`, but not `longest` beyond its beginning. None where the token is not good, or was used before.
        """
        connection = await self.db.session.connection()
        row = (await connection.execute(ROTATE, values)).mappings().one_or_none()
        if row is None:
            return None
        user = UserView(**{name: row[name] for name in UserView.__struct_fields__})
        return Renewed(user, *(row[name] for name in Renewed._fields[1:]))

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

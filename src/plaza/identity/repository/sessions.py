from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, text, update
from sqlalchemy.orm.attributes import set_committed_value

from plaza.audit import entry_inserted
from plaza.core.db import Repository, Swift
from plaza.core.ids import uuid7
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import MfaRequired
from plaza.identity.models import LET_IN, EndReason, RefreshToken, Session, User
from plaza.identity.schemas import Attempt, Device, SessionView, UserView

ENDED_CHANNEL = "identity_session_ended"
# A notification holds 8,000 bytes: 200 ids of 37 each.
_IDS_PER_NOTE = 200
_NOTIFY = text("select pg_notify(:channel, :payload)")

# Of `s` a session, `u` its person and `p` their profile: what `open_session` reads.
OPEN_SESSION = """s.id as session_id, s.authenticated_at, s.expires_at, s.methods, u.token_version, u.waitlisted_until,
      u.id, u.email, u.phone, u.email_verified_at is not null as email_verified, u.phone_verified_at is not null as phone_verified,
      u.status, u.is_staff, p.username, p.display_name, u.created_at"""

# A device goes by what its browser calls itself, less the version numbers, which move on with every update.
_GATE = r"""select
        exists (select from identity_totp_device where user_id = :user_id and confirmed_at is not null) as app,
        exists (select from identity_recovery_code where user_id = :user_id and used_at is null) as codes,
        exists (select from identity_session where user_id = :user_id and impersonator_id is null
          and regexp_replace(user_agent, '[\d.]+', '', 'g') = regexp_replace(:user_agent, '[\d.]+', '', 'g')) as device"""

# A session and its first refresh token for `u`, a person who has passed the gate.
_BEGUN = """s as (
      insert into identity_session (id, version, user_id, device_name, platform, user_agent, ip, methods, created_at,
        authenticated_at, last_used_at, expires_at)
      select cast(:id as uuid), 1, u.id, :device_name, :platform, :user_agent, :ip, cast(:methods as text[]),
        cast(:created_at as timestamptz), cast(:authenticated_at as timestamptz), cast(:last_used_at as timestamptz),
        cast(:expires_at as timestamptz)
      from u
      returning *
    ),
    issued as (
      insert into identity_refresh_token (id, version, session_id, hash, created_at, expires_at)
      select cast(:token_id as uuid), 1, s.id, cast(:token_hash as bytea), s.created_at, s.expires_at from s
      where cast(:token_hash as bytea) is not null
    )"""


def _noted(outcome: str, source: str) -> str:
    return f"""noted as (
      insert into identity_login_attempt (id, user_id, identifier_hash, method, outcome, ip, user_agent, at)
      select cast(:attempt_id as uuid), cast(:user_id as uuid), cast(:identifier_hash as bytea), :method, {outcome}, :ip, :user_agent,
        cast(:created_at as timestamptz)
      from {source}
    )"""  # noqa: S608 - constants


# All that a login asks and writes here, for a person whose row is locked.
_LET_IN = text(
    f"""with gate as ({_GATE}),
    u as (
      update identity_user set last_login_at = :created_at, version = version + 1 from gate
      where id = :user_id and (:is_multi_factor or not gate.app)
      returning identity_user.*
    ),
    {_BEGUN},
    {_noted(f"case when :is_multi_factor or not app then '{LET_IN}' else '{MfaRequired.code}' end", "gate")}
    select gate.app, gate.codes, gate.device, u.version, {OPEN_SESSION}
    from gate left join (u cross join s join identity_profile p on p.user_id = u.id) on true"""  # noqa: S608 - constants
)

# The same for a person whose row was read before, as a transaction by itself. Whatever bears on who is let in moves the version of the
# row; a row that another transaction holds is looked at once more when that has ended. Where it has moved, or something else is to be
# done first, nothing is written.
_LET_IN_AT_ONCE = Swift(
    f"""with gate as ({_GATE}),
    u as (
      update identity_user set last_login_at = :created_at, version = version + 1 from gate
      where id = :user_id and version = :seen and status in ('active', 'waitlisted') and deleted_at is null
        and not gate.app and (last_login_at is null or gate.device)
      returning identity_user.*
    ),
    {_BEGUN},
    {_noted(f"'{LET_IN}'", "s")},
    told as ({entry_inserted("s")})
    select {OPEN_SESSION} from u cross join s join identity_profile p on p.user_id = u.id"""  # noqa: S608 - constants
)


class OpenSession(NamedTuple):
    """And whose it is."""

    user: UserView
    session_id: SessionId
    authenticated_at: datetime
    expires_at: datetime
    methods: list[str]
    token_version: int
    waitlisted_until: datetime | None


# In the order of OPEN_SESSION.
_OPEN_SESSION = (*OpenSession._fields[1:], *UserView.__struct_fields__)


class AtTheGate(NamedTuple):
    """`methods` are the second factors that somebody can show; none without a confirmed app. `device`: a session of theirs that is still

    kept, ended ones included, was this device's.
    """

    methods: tuple[str, ...]
    device: bool


class SessionRepository(Repository[Session]):
    model = Session

    async def lock_live(self, id: SessionId, now: datetime) -> Session | None:
        session = await self.lock(id)
        return session if session is not None and session.revoked_at is None and session.expires_at > now else None

    async def let_in(
        self, user: User, row: Mapping[str, Any], attempt: Attempt, *, token_hash: bytes | None, is_multi_factor: bool
    ) -> tuple[AtTheGate, OpenSession | None]:
        """A session and its first refresh token for a user whose row is locked; none where a second factor is to be shown first.

        Which of both it was is written down as the outcome of `attempt`. Without `token_hash` there is no refresh token.
        """
        await self.db.session.flush()
        values = {**_written(row, attempt, token_hash), "is_multi_factor": is_multi_factor}
        found = (await (await self.db.session.connection()).execute(_LET_IN, values)).mappings().one()
        methods = ("totp", "recovery_code") if found["app"] and found["codes"] else ("totp",) if found["app"] else ()
        gate = AtTheGate(methods, found["device"])
        if found["session_id"] is None:
            return gate, None
        set_committed_value(user, "last_login_at", row["created_at"])
        set_committed_value(user, "version", found["version"])
        return gate, open_session(found)

    async def let_in_at_once(
        self, row: Mapping[str, Any], attempt: Attempt, *, seen: int, token_hash: bytes, entry: Mapping[str, Any]
    ) -> OpenSession | None:
        """For a user whose row had the version `seen`, and who has shown one factor. None where that is not enough to tell: the row has

        changed, a second factor is to be shown, or the owner is to be told of a new device. Then nothing is written.
        """
        values = {**_written(row, attempt, token_hash), **entry, "seen": seen}
        found = await self.db.at_once(_LET_IN_AT_ONCE, values)
        return open_session(dict(zip(_OPEN_SESSION, found, strict=True))) if found is not None else None

    async def insert_many(self, rows: Sequence[dict[str, object]]) -> None:
        await (await self.db.session.connection()).execute(insert(Session), list(rows))

    async def live(
        self, user_id: UserId, now: datetime, *, after: SessionId | None, limit: int, current: UUID | None
    ) -> list[SessionView]:
        """Their own, newest first, those before `after`."""
        statement = select(
            Session.id,
            Session.device_name,
            Session.platform,
            Session.user_agent,
            Session.ip,
            Session.created_at,
            Session.last_used_at,
        ).where(
            Session.user_id == user_id,
            Session.impersonator_id.is_(None),
            Session.revoked_at.is_(None),
            Session.expires_at > now,
        )
        if after is not None:
            statement = statement.where(Session.id < after)
        async with self.db.reading() as connection:
            rows = (await connection.execute(statement.order_by(Session.id.desc()).limit(limit))).all()
        return [
            SessionView(
                id=row.id,
                device=Device(name=row.device_name, platform=row.platform, user_agent=row.user_agent),
                ip=row.ip,
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                current=row.id == current,
            )
            for row in rows
        ]

    async def live_among(self, ids: Collection[UUID], now: datetime) -> set[UUID]:
        statement = select(Session.id).where(
            Session.id.in_(ids), Session.revoked_at.is_(None), Session.expires_at > now
        )
        async with self.db.reading(fresh=True) as connection:
            return set((await connection.execute(statement)).scalars())

    async def end(
        self, ids: Sequence[SessionId], reason: EndReason, now: datetime
    ) -> dict[SessionId, tuple[UserId, UserId | None]]:
        """Ends those that are open, tells every process of them, should the transaction commit.

        Answers whose they were, and who was impersonating them.
        """
        connection = await self.db.session.connection()
        statement = (
            update(Session)
            .where(Session.id.in_(ids), Session.revoked_at.is_(None))
            .values(revoked_at=now, revoked_reason=reason.value, version=Session.version + 1)
            .returning(Session.id, Session.user_id, Session.impersonator_id)
        )
        ended = {row.id: (row.user_id, row.impersonator_id) for row in await connection.execute(statement)}
        spelled = [str(each) for each in ended]
        for start in range(0, len(spelled), _IDS_PER_NOTE):
            payload = ",".join(spelled[start : start + _IDS_PER_NOTE])
            await connection.execute(_NOTIFY, {"channel": ENDED_CHANNEL, "payload": payload})
        return ended

    async def lock_of_user(self, user_id: UserId) -> list[SessionId]:
        """The open ones, locked in id order."""
        statement = (
            select(Session.id)
            .where(Session.user_id == user_id, Session.revoked_at.is_(None))
            .order_by(Session.id)
            .with_for_update()
        )
        return list((await self.db.session.scalars(statement)).all())

    async def lock_impersonations(
        self, impersonator_ids: Collection[UserId] | None = None, *, expired_at: datetime | None = None
    ) -> list[SessionId]:
        """The open ones of these impersonators, or those of anybody that have expired by then, locked in id order."""
        statement = select(Session.id).where(Session.impersonator_id.is_not(None), Session.revoked_at.is_(None))
        if impersonator_ids is not None:
            statement = statement.where(Session.impersonator_id.in_(impersonator_ids))
        if expired_at is not None:
            statement = statement.where(Session.expires_at <= expired_at)
        return list((await self.db.session.scalars(statement.order_by(Session.id).with_for_update())).all())

    async def ended_since(self, since: datetime) -> list[tuple[SessionId, datetime]]:
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(select(Session.id, Session.revoked_at).where(Session.revoked_at > since))
            return [(row.id, row.revoked_at) for row in rows]

    async def purge_tokens(self, before: datetime, limit: int) -> int:
        return await self._purge(RefreshToken, RefreshToken.expires_at < before, limit)

    async def purge_sessions(self, before: datetime, limit: int) -> int:
        return await self._purge(Session, func.coalesce(Session.revoked_at, Session.expires_at) < before, limit)

    async def _purge(
        self, model: type[Session] | type[RefreshToken], condition: ColumnElement[bool], limit: int
    ) -> int:
        doomed = select(model.id).where(condition).limit(limit).with_for_update(skip_locked=True)
        result = await (await self.db.session.connection()).execute(delete(model).where(model.id.in_(doomed)))
        return result.rowcount


def open_session(row: RowMapping | dict[str, Any]) -> OpenSession:
    user = msgspec.convert({name: row[name] for name in UserView.__struct_fields__}, UserView)
    return OpenSession(user, *(row[name] for name in OpenSession._fields[1:]))


def _written(row: Mapping[str, Any], attempt: Attempt, token_hash: bytes | None) -> dict[str, Any]:
    """What `_BEGUN` and `_noted` write."""
    return {
        **row,
        "token_id": uuid7(),
        "token_hash": token_hash,
        "attempt_id": uuid7(),
        "identifier_hash": attempt.identifier_hash,
        "method": attempt.method,
    }

"""A person's rows: to be handed over, to be wiped, and the records of both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Select, case, delete, or_, select, update

from plaza.core.db import Base, Database, Repository
from plaza.core.personal_data import Person
from plaza.domain_events.identity import UserId
from plaza.identity.models import (
    Address,
    ApiKey,
    DeviceKey,
    Erasure,
    ErasureStep,
    Export,
    ExportStatus,
    LinkedAccount,
    LoginAttempt,
    Passkey,
    Profile,
    RefreshToken,
    Role,
    Session,
    TotpDevice,
    UnlinkedAccount,
    User,
    UserRole,
    VerificationToken,
)

_OPEN = (ExportStatus.QUEUED, ExportStatus.RUNNING)
_AT_ONCE = 500


class ExportRepository(Repository[Export]):
    model = Export

    async def lock_open(self, user_id: UserId) -> Export | None:
        """There is at most one; the user's row is locked."""
        statement = select(Export).where(Export.user_id == user_id, Export.status.in_(_OPEN)).with_for_update()
        return (await self.db.session.scalars(statement)).one_or_none()

    async def state_of(self, export_id: UUID, user_id: UserId) -> ExportStatus | None:
        """Never a replica's: who has just asked for it asks how far it is."""
        wanted = select(Export.status).where(Export.id == export_id, Export.user_id == user_id)
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(wanted)).scalar()

    async def order(self, export_id: UUID) -> tuple[ExportStatus, Person] | None:
        """How far it is and whose data it is; None once it is gone, or they are."""
        wanted = (
            select(Export.status, User.id, User.email, User.phone)
            .join(Export, Export.user_id == User.id)
            .where(Export.id == export_id, User.deleted_at.is_(None))
        )
        async with self.db.reading(fresh=True) as connection:
            row = (await connection.execute(wanted)).one_or_none()
        return (row.status, Person(row.id, contacts_of(row.email, row.phone))) if row is not None else None

    async def ended_before(self, moment: datetime, limit: int) -> Sequence[UUID]:
        wanted = select(Export.id).where(Export.ended_at < moment).order_by(Export.ended_at).limit(limit)
        async with self.db.reading(fresh=True) as connection:
            return (await connection.scalars(wanted)).all()

    async def lock_open_since(self, moment: datetime, limit: int) -> Sequence[Export]:
        wanted = select(Export).where(Export.status.in_(_OPEN), Export.created_at < moment).order_by(Export.id)
        return (await self.db.session.scalars(wanted.limit(limit).with_for_update(skip_locked=True))).all()

    async def remove(self, ids: Collection[UUID]) -> None:
        await (await self.db.session.connection()).execute(delete(Export).where(Export.id.in_(ids)))


class ErasureRepository(Repository[Erasure]):
    model = Erasure

    async def steps(self, erasure_id: UUID) -> dict[str, ErasureStep]:
        """By context, in the order in which they finished."""
        wanted = select(ErasureStep).where(ErasureStep.erasure_id == erasure_id)
        rows = (await self.db.session.scalars(wanted.order_by(ErasureStep.finished_at, ErasureStep.context))).all()
        return {row.context: row for row in rows}

    async def add_to_step(self, step: ErasureStep) -> None:
        """Counts add up over the commands that a context takes."""
        stored = await self.db.session.get(ErasureStep, (step.erasure_id, step.context))
        if stored is None:
            self.db.session.add(step)
        else:
            names = {**stored.counts, **step.counts}
            stored.counts = {name: stored.counts.get(name, 0) + step.counts.get(name, 0) for name in names}
            stored.finished_at = step.finished_at


class PersonalRows:
    """Everything that identity itself knows about a person."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def account(self, user_id: UserId) -> dict[str, Any]:
        return await self._one(
            select(
                User.id,
                User.email,
                User.email_verified_at,
                User.phone,
                User.phone_verified_at,
                User.status,
                User.created_at,
                User.last_login_at,
            ).where(User.id == user_id)
        )

    async def profile(self, user_id: UserId) -> dict[str, Any]:
        columns = [column for column in Profile.__table__.columns if column.name not in ("user_id", "version")]
        return await self._one(select(*columns).where(Profile.user_id == user_id))

    async def lists(self, user_id: UserId) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
        """The short ones, by name; of what proves who somebody is only that it is there."""
        selections: dict[str, Select[Any]] = {
            "addresses": select(*_all_but(Address, "id", "user_id", "version")).where(Address.user_id == user_id),
            "linked_accounts": select(*_all_but(LinkedAccount, "id", "user_id", "version")).where(
                LinkedAccount.user_id == user_id
            ),
            "unlinked_accounts": select(*_all_but(UnlinkedAccount, "user_id")).where(
                UnlinkedAccount.user_id == user_id
            ),
            "passkeys": select(Passkey.name, Passkey.transports, Passkey.created_at, Passkey.last_used_at).where(
                Passkey.user_id == user_id
            ),
            "device_keys": select(DeviceKey.device_name, DeviceKey.created_at, DeviceKey.last_used_at).where(
                DeviceKey.user_id == user_id
            ),
            "authenticator_apps": select(TotpDevice.created_at, TotpDevice.confirmed_at).where(
                TotpDevice.user_id == user_id
            ),
            "api_keys": select(*_all_but(ApiKey, "id", "user_id", "hash", "version")).where(ApiKey.user_id == user_id),
            "roles": select(Role.name, UserRole.created_at, UserRole.expires_at)
            .join(UserRole, UserRole.role_id == Role.id)
            .where(UserRole.user_id == user_id),
            "exports": select(Export.created_at, Export.status, Export.ended_at).where(Export.user_id == user_id),
        }
        for name, selection in selections.items():
            async with self.db.reading() as connection:
                yield name, [dict(row) for row in (await connection.execute(selection)).mappings()]

    def sessions(self, user_id: UserId) -> AsyncIterator[dict[str, Any]]:
        """Their own: those of staff who acted as them tell about staff."""
        columns = _all_but(Session, "user_id", "impersonator_id", "impersonation_reason", "version")
        return self._pages(Session.__table__, columns, Session.user_id == user_id, Session.impersonator_id.is_(None))

    def login_attempts(self, user_id: UserId) -> AsyncIterator[dict[str, Any]]:
        columns = _all_but(LoginAttempt, "user_id", "identifier_hash")
        return self._pages(LoginAttempt.__table__, columns, LoginAttempt.user_id == user_id)

    async def erase(self, user_id: UserId, contacts: Collection[str], tried: Collection[bytes]) -> dict[str, int]:
        """All but the account's own row, and sessions: access tokens of theirs may still be around, so they stay for a while, nobody's.

        `tried` are the hashes under which refused logins name them: those rows have no id of theirs.
        """
        connection, counts = await self.db.session.connection(), {}
        own = select(Session.id).where(Session.user_id == user_id)
        counts["refresh_tokens"] = (
            await connection.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(own)))
        ).rowcount
        counts["codes"] = (
            await connection.execute(delete(VerificationToken).where(VerificationToken.address.in_(contacts)))
        ).rowcount
        refused = LoginAttempt.user_id.is_(None), LoginAttempt.identifier_hash.in_(tried)
        counts["login_attempt"] = (await connection.execute(delete(LoginAttempt).where(*refused))).rowcount
        nobody = {"device_name": "", "platform": "unknown", "user_agent": "", "ip": ""}
        no_reason = case((Session.impersonation_reason.is_not(None), ""))  # it says as well that it was not the person
        theirs = or_(Session.user_id == user_id, Session.impersonator_id == user_id)
        counts["sessions"] = (
            await connection.execute(
                update(Session)
                .where(theirs, or_(Session.ip != "", Session.impersonation_reason != ""))
                .values(**nobody, impersonation_reason=no_reason, version=Session.version + 1)
            )
        ).rowcount
        for column in owned():
            if column.table.name != Session.__tablename__:
                name = column.table.name.removeprefix("identity_")
                taken = (await connection.execute(delete(column.table).where(column == user_id))).rowcount
                counts[name] = counts.get(name, 0) + taken
        return {name: count for name, count in counts.items() if count}

    async def export_ids(self, user_id: UserId) -> Sequence[UUID]:
        return (await self.db.session.scalars(select(Export.id).where(Export.user_id == user_id))).all()

    async def _one(self, selection: Select[Any]) -> dict[str, Any]:
        async with self.db.reading() as connection:
            row = (await connection.execute(selection)).mappings().one_or_none()
        return dict(row) if row is not None else {}

    async def _pages(
        self, table: Any, columns: Sequence[Any], *where: ColumnElement[bool]
    ) -> AsyncIterator[dict[str, Any]]:
        after: UUID | None = None
        while True:
            selection = select(*columns).where(*where).order_by(table.c.id).limit(_AT_ONCE)
            if after is not None:
                selection = selection.where(table.c.id > after)
            async with self.db.reading() as connection:
                rows = (await connection.execute(selection)).mappings().all()
            for row in rows:
                yield dict(row)
            if len(rows) < _AT_ONCE:
                return
            after = rows[-1]["id"]


@cache
def owned() -> tuple[Column[Any], ...]:
    """The columns by which identity's rows belong to a user, and would go with the account's row: also those of tables to come."""
    return tuple(
        column
        for table in Base.metadata.sorted_tables
        if table.name.startswith("identity_")
        for column in table.columns
        if any(key.target_fullname == "identity_user.id" and key.ondelete == "CASCADE" for key in column.foreign_keys)
    )


def contacts_of(email: str | None, phone: str | None) -> tuple[str, ...]:
    return tuple(each for each in (email, phone) if each is not None)


def _all_but(model: type[Base], *names: str) -> list[Any]:
    return [column for column in model.__table__.columns if column.name not in names]

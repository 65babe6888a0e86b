"""SQL over audit entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, Table, bindparam, func, insert, or_, select, text, tuple_, update

from plaza.audit.models import Entry
from plaza.audit.schemas import AuditFilter
from plaza.core.db import Base, Repository

_SEALING = 0x6175646974  # the advisory lock of whoever chains: "audit" in ASCII

_ENTRIES: Table = Base.metadata.tables[Entry.__tablename__]
_UNSEALED = select(_ENTRIES).where(Entry.position.is_(None)).order_by(Entry.id)
_SEAL = (
    update(_ENTRIES)
    .where(_ENTRIES.c.id == bindparam("entry_id"))
    .values({name: bindparam(name) for name in ("position", "personal_digest", "digest", "hash", "mac", "key_id")})
)
_CHAIN = select(_ENTRIES).where(Entry.position > bindparam("after")).order_by(Entry.position).limit(bindparam("most"))

# What staff see: everything but what only the chain is made of.
ENTRIES_FOR_STAFF = select(
    Entry.id,
    Entry.at,
    Entry.action,
    Entry.subject_type,
    Entry.subject_id,
    Entry.actor_id,
    Entry.user_id,
    Entry.session_id,
    Entry.api_key_id,
    Entry.impersonator_id,
    Entry.organization_id,
    Entry.correlation_id,
    Entry.ip,
    Entry.user_agent,
    Entry.before,
    Entry.after,
    Entry.position,
)


# What a new entry is made of, with the types of its parameters.
_WRITTEN = {
    "id": "uuid",
    "at": "timestamptz",
    "action": "text",
    "subject_type": "text",
    "subject_id": "text",
    "actor_id": "uuid",
    "user_id": "uuid",
    "session_id": "uuid",
    "api_key_id": "uuid",
    "impersonator_id": "uuid",
    "organization_id": "uuid",
    "correlation_id": "text",
    "ip": "text",
    "user_agent": "text",
    "before": "jsonb",
    "after": "jsonb",
    "salt": "bytea",
}
_PREFIX = "audit_"


def entry_inserted(source: str) -> str:
    """SQL for one entry, if `source` has a row, as a part of somebody's one statement; its parameters are `parameters_of` the entry."""
    values = ", ".join(f"cast(:{_PREFIX}{name} as {kind})" for name, kind in _WRITTEN.items())
    return f"insert into {Entry.__tablename__} ({', '.join(_WRITTEN)}) select {values} from {source}"  # noqa: S608 - constants


def parameters_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """As the driver takes them: documents are text."""
    return {
        _PREFIX + name: msgspec.json.encode(row[name]).decode()
        if kind == "jsonb" and row[name] is not None
        else row[name]
        for name, kind in _WRITTEN.items()
    }


class EntryRepository(Repository[Entry]):
    model = Entry

    async def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        await (await self.db.session.connection()).execute(insert(_ENTRIES), rows[0] if len(rows) == 1 else rows)

    async def page(
        self, filter: AuditFilter, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[Row[tuple[Any, ...]]]:
        """The latest first."""
        rows = select(_ENTRIES).order_by(Entry.at.desc(), Entry.id.desc()).limit(limit)
        for name in ("actor_id", "user_id", "subject_type", "subject_id", "action"):
            if (wanted := getattr(filter, name)) is not None:
                rows = rows.where(_ENTRIES.c[name] == wanted)
        if filter.since is not None:
            rows = rows.where(Entry.at >= filter.since)
        if filter.until is not None:
            rows = rows.where(Entry.at < filter.until)
        if after is not None:
            rows = rows.where(tuple_(Entry.at, Entry.id) < after)
        async with self.db.reading() as connection:
            return (await connection.execute(rows)).all()

    async def values_before(self, user_id: UUID, field: str, actions: Collection[str]) -> set[str]:
        value = Entry.before[field].as_string()
        wanted = select(value).where(Entry.user_id == user_id, Entry.action.in_(actions), value.is_not(None))
        async with self.db.reading(fresh=True) as connection:
            return {row for row in (await connection.scalars(wanted)).all() if row is not None}

    async def erase(self, user_id: UUID) -> int:
        """Empties the personal half of whatever this person did, as themselves or as others, and of whatever was done to their account.

        As a whole, for only as a whole is it chained: of what they did as others, what it was before and after goes with their address.
        """
        emptied = (
            update(Entry)
            .where(
                or_(Entry.actor_id == user_id, Entry.user_id == user_id, Entry.impersonator_id == user_id),
                Entry.salt.is_not(None),
            )
            .values(ip=None, user_agent=None, before=None, after=None, salt=None)
        )
        return (await (await self.db.session.connection()).execute(emptied)).rowcount

    async def may_seal(self) -> bool:
        """Whether nobody else does, until the end of this transaction."""
        locked = await self.db.session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": _SEALING})
        return bool(locked)

    async def unsealed(self, most: int) -> Sequence[Row[tuple[Any, ...]]]:
        return (await (await self.db.session.connection()).execute(_UNSEALED.limit(most))).all()

    async def seal(self, seals: Sequence[Mapping[str, Any]]) -> None:
        await (await self.db.session.connection()).execute(_SEAL, seals)

    async def head(self) -> Row[tuple[int, bytes]] | None:
        last = select(_ENTRIES.c.position, _ENTRIES.c.hash).where(Entry.position.is_not(None))
        async with self.db.reading() as connection:
            return (await connection.execute(last.order_by(Entry.position.desc()).limit(1))).one_or_none()

    async def chain(self, after: int, most: int) -> Sequence[Row[tuple[Any, ...]]]:
        """Sealed entries in their order, behind the position `after`."""
        async with self.db.reading() as connection:
            return (await connection.execute(_CHAIN, {"after": after, "most": most})).all()

    async def count_unsealed(self) -> int:
        async with self.db.reading() as connection:
            return (
                await connection.execute(select(func.count()).select_from(Entry).where(Entry.position.is_(None)))
            ).scalar_one()

    async def unsealed_subjects(self, action: str) -> set[str]:
        rows = select(Entry.subject_id).where(Entry.position.is_(None), Entry.action == action)
        async with self.db.reading() as connection:
            return set((await connection.execute(rows)).scalars())

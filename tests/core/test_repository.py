"""Rows by id, soft deletion, locks and versions, over a toy table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Database, Repository, Versioned
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, success
from tests.support.waiting import eventually

FIRST, GONE, LAST = sorted(uuid7() for _ in range(3))


class Parcel(Versioned, Base):
    __tablename__ = "test_parcel"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    deleted_at: Mapped[datetime | None]


Base.metadata.remove(Parcel.__table__)  # type: ignore[arg-type] # a Table; it belongs to no migration


class Parcels(Repository[Parcel]):
    model = Parcel


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Parcel.__table__.create)  # type: ignore[attr-defined] # a Table
    yield database
    async with database.engine.begin() as connection:
        await connection.execute(text("drop table test_parcel"))
    await database.close()


@pytest.fixture
async def parcels(db: Database) -> Parcels:
    parcels = Parcels(db)
    # The last first: without an order, rows come as they were written.
    for id, deleted_at in ((LAST, None), (FIRST, None), (GONE, datetime.now(UTC))):

        async def add(id: UUID = id, deleted_at: datetime | None = deleted_at) -> ServiceResult[None]:
            parcel = Parcel(id=id, label="new", deleted_at=deleted_at)
            assert parcels.add(parcel) is parcel
            return success(None)

        await db.run(add)
    return parcels


async def test_what_was_added_is_found_by_its_id(parcels: Parcels) -> None:
    async def body() -> ServiceResult[list[Parcel | None]]:
        return success([await parcels.get(LAST), await parcels.get(uuid7())])

    found, missing = (await parcels.db.run(body)).unwrap()
    assert found is not None
    assert (found.id, found.label, found.version) == (LAST, "new", 1)
    assert missing is None


async def test_a_deleted_row_is_hidden_unless_asked_for(parcels: Parcels) -> None:
    async def seen(*, deleted: bool) -> list[list[UUID]]:
        one = [await parcels.get(GONE, deleted=deleted), await parcels.lock(GONE, deleted=deleted)]
        many = await parcels.lock_many([FIRST, GONE], deleted=deleted)
        listed = (
            await parcels.db.session.scalars(parcels.rows(deleted=deleted).order_by(Parcel.label, Parcel.id))
        ).all()
        return [[row.id for row in rows if row is not None] for rows in (one, many, listed)]

    async def body() -> ServiceResult[list[list[list[UUID]]]]:
        return success([await seen(deleted=False), await seen(deleted=True)])

    hidden, shown = (await parcels.db.run(body)).unwrap()
    assert hidden == [[], [FIRST], [FIRST, LAST]]
    assert shown == [[GONE, GONE], [FIRST, GONE], [FIRST, GONE, LAST]]


async def test_a_lock_waits_and_takes_the_row_as_it_is_then(parcels: Parcels) -> None:
    async with parcels.db.engine.connect() as other:
        await other.execute(text("update test_parcel set label = 'moved', version = 2 where id = :id"), {"id": FIRST})
        await other.execute(text("update test_parcel set deleted_at = now() where id = :id"), {"id": LAST})

        async def body() -> ServiceResult[list[Parcel | None]]:
            before = await parcels.get(FIRST)
            assert before is not None
            assert before.label == "new"
            return success([await parcels.lock(FIRST), await parcels.lock(LAST)])

        locking = asyncio.create_task(parcels.db.run(body))
        await eventually(lambda: is_waiting(parcels.db))
        await other.commit()
    moved, deleted = (await locking).unwrap()
    assert moved is not None
    assert (moved.label, moved.version) == ("moved", 2)
    assert deleted is None, "it was deleted while the lock was waited for"


async def test_many_are_locked_in_the_order_of_their_ids(parcels: Parcels) -> None:
    """Else two commands that name the same rows in opposite orders wait for each other."""
    async with parcels.db.engine.connect() as other:
        await other.execute(text("select 1 from test_parcel where id = :id for update"), {"id": FIRST})

        async def body() -> ServiceResult[Sequence[UUID]]:
            return success([row.id for row in await parcels.lock_many([LAST, FIRST, LAST])])

        locking = asyncio.create_task(parcels.db.run(body))
        await eventually(lambda: is_waiting(parcels.db))
        # It waits for the first and has not touched the last.
        await other.execute(text("select 1 from test_parcel where id = :id for update nowait"), {"id": LAST})
        await other.commit()
    assert (await locking).unwrap() == [FIRST, LAST]


async def test_a_stale_write_starts_its_command_afresh(parcels: Parcels) -> None:
    tries: list[int] = []

    async def body() -> ServiceResult[str]:
        parcel = await parcels.get(FIRST)
        assert parcel is not None
        tries.append(parcel.version)
        if len(tries) == 1:
            async with parcels.db.engine.begin() as other:
                await other.execute(text("update test_parcel set label = 'moved', version = version + 1"))
        parcel.label += " and read"
        return success(parcel.label)

    assert (await parcels.db.run(body)).unwrap() == "moved and read"
    assert tries == [1, 2]
    async with parcels.db.reading() as connection:
        row = (
            await connection.execute(text("select label, version from test_parcel where id = :id"), {"id": FIRST})
        ).one()
    assert tuple(row) == ("moved and read", 3), "every write counts the version up"


async def is_waiting(db: Database) -> bool:
    statement = """select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%test_parcel%'"""
    async with db.reader.connect() as connection:
        return bool((await connection.execute(text(statement))).scalar_one())

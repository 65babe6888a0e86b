"""A database with one toy table, for the mechanisms that need no context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from plaza.core.db import Base, Database, Repository, Versioned
from plaza.core.errors import NotFound, StaleRecord
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query


class Counter(Versioned, Base):
    __tablename__ = "test_counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


Base.metadata.remove(Counter.__table__)  # type: ignore[arg-type] # a Table; it belongs to no migration


class Counters(Repository[Counter]):
    model = Counter


class CounterService(Service):
    """Every way in which commands can be put together."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.counters = Counters(db)
        self.runs = 0

    @query(NotFound)
    async def value(self, id: int) -> ServiceResult[int]:
        async with self.db.reading() as connection:
            found = (
                await connection.execute(text("select value from test_counter where id = :id"), {"id": id})
            ).scalar()
        return failure(NotFound()) if found is None else success(found)

    @command()
    async def make(self, id: int) -> ServiceResult[int]:
        self.counters.add(Counter(id=id, value=0))
        await self.db.session.flush()
        return success(id)

    @command(NotFound)
    async def increment(self, id: int, by: int = 1) -> ServiceResult[int]:
        """Read, then write, without a lock: only the version keeps it right."""
        self.runs += 1
        counter: Any = await self.db.session.get(Counter, id)
        if counter is None:
            return failure(NotFound())
        counter.value += by
        await self.db.session.flush()
        return success(counter.value)

    @command(increment)
    async def both(self, first: int, second: int) -> ServiceResult[int]:
        (await self.increment(first)).unwrap()
        (await self.increment(second)).unwrap()
        return success(2)

    @command(increment)
    async def swallow(self, first: int, second: int) -> ServiceResult[int]:
        (await self.increment(first)).unwrap()
        await self.increment(second)
        return success(1)

    @command(increment)
    async def try_second(self, first: int, second: int) -> ServiceResult[bool]:
        (await self.increment(first)).unwrap()
        tried = await self.db.attempt(self.increment(second))
        return success(tried == success(1))

    @command()
    async def undeclared(self) -> ServiceResult[int]:
        return failure(StaleRecord())

    @flow(increment)
    async def twice(self, id: int) -> ServiceResult[int]:
        (await self.increment(id)).unwrap()
        return await self.increment(id)

    @command(twice)
    async def flow_inside(self, id: int) -> ServiceResult[int]:
        return await self.twice(id)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.execute(text("drop table if exists test_counter"))
        await connection.execute(
            text(
                "create table test_counter (id int primary key, value int not null, version bigint not null default 1)"
            )
        )
    yield database
    async with database.engine.begin() as connection:
        await connection.execute(text("drop table test_counter"))
    await database.close()


@pytest.fixture
async def counters(db: Database) -> CounterService:
    service = CounterService(db)
    for id in (1, 2):
        (await service.make(id)).unwrap()
    return service

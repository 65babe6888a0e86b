from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from plaza.core.db import Database
from plaza.core.jobs import Jobs
from tests.support.clock import ManualClock
from tests.support.jobs import compose
from tests.support.servers import TestServers
from tests.support.waiting import eventually

from .probe import ProbeService, context, empty_tables


@pytest.fixture(scope="session")
async def database_url(servers: TestServers) -> str:
    """Apart from the rest: the whole program's worker, where it runs, would take its part in these jobs."""
    return await servers.another_database("jobs")


@pytest.fixture
async def jobs(database_url: str, redis_url: str, clock: ManualClock) -> AsyncIterator[Jobs]:
    made = compose(database_url, redis_url, clock, [context])
    await empty_tables(made.parts[Database])
    yield made
    await made.parts[Database].close()


@pytest.fixture
def probe(jobs: Jobs) -> ProbeService:
    return jobs.parts[ProbeService]


class Table:
    """What is in `core_job`, and what came of it."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        async with self.db.reader.connect() as connection:
            return list((await connection.execute(text(statement), parameters)).all())

    async def states(self) -> list[str]:
        """Without the firings of crons, which are always written ahead."""
        found = await self.rows("select state from core_job where payload <> '{}' order by position")
        return [row.state for row in found]

    async def effects(self) -> list[tuple[str, str]]:
        """Without the cron's."""
        found = await self.rows("select name, value from test_effect where name <> 'tidy' order by id")
        return [(row.name, row.value) for row in found]

    async def one(self, name: str) -> Any:
        (row,) = await self.rows("select * from core_job where handler = :name", name=name)
        return row

    async def ended(self) -> None:
        async def check() -> bool:
            return set(await self.states()) <= {"done", "dead"}

        await eventually(check)

    async def reached(self, state: str, count: int = 1) -> None:
        async def check() -> bool:
            return (await self.states()).count(state) >= count

        await eventually(check)


@pytest.fixture
def table(jobs: Jobs) -> Table:
    return Table(jobs.parts[Database])

"""Who waits for a lock; and a foreign transaction that holds what the program wants, for as long as a test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import text

from plaza.core.db import Database
from plaza.core.db.listener import connect_arguments
from tests.support.waiting import eventually

_WAITING = """select count(*) from pg_stat_activity
    where datname = current_database() and application_name like 'plaza-api%' and wait_event_type = 'Lock'"""


async def until_somebody_waits(db: Database) -> None:
    """For a lock in this database: those of other tests are on the same server."""
    waiting = text(
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())"
    )

    async def check() -> bool:
        async with db.reader.connect() as connection:
            return bool((await connection.execute(waiting)).scalar_one())

    await eventually(check)


class Held:
    def __init__(self, watching: Any, transaction: Any) -> None:
        self._watching, self._transaction = watching, transaction
        self._is_held = True

    async def is_wanted_by(self, count: int) -> None:
        """Waits until exactly so many connections of API processes wait for a lock in this database."""

        async def check() -> bool:
            return await self.wanted() == count

        await eventually(check)

    async def wanted(self) -> int:
        (count,) = await self.ask(_WAITING)
        return int(count)

    async def ask(self, question: str) -> list[Any]:
        """The first column, from outside of the transaction."""
        return [row[0] for row in await self._watching.fetch(question)]

    async def release(self) -> None:
        if self._is_held:
            self._is_held = False
            await self._transaction.rollback()


@asynccontextmanager
async def held(database_url: str, statement: str, *arguments: Any) -> AsyncIterator[Held]:
    """What `statement` locks stays locked until `release`, at most until the end of the block."""
    arguments_of = connect_arguments(database_url)
    holding, watching = await asyncpg.connect(**arguments_of), await asyncpg.connect(**arguments_of)
    try:
        transaction = holding.transaction()
        await transaction.start()
        await holding.execute(statement, *arguments)
        lock = Held(watching, transaction)
        try:
            yield lock
        finally:
            await lock.release()
    finally:
        await holding.close()
        await watching.close()

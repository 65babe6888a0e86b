"""Reads past SQLAlchemy: the same row as through it, wherever they are asked, and whatever becomes of their connection."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from plaza.core.db import Database, DatabaseSettings, Swift, is_lost_server, is_overload
from plaza.core.result import ServiceResult, success
from tests.core.conftest import CounterService
from tests.support.statements import statements
from tests.support.waiting import eventually

PID = Swift("select pg_backend_pid()")


@pytest.fixture
async def counters(counters: CounterService) -> CounterService:
    await counters.increment(1, 5)
    return counters


async def read(db: Database, id: int = 1) -> Any:
    return await db.swiftly(Swift("select value from test_counter where id = :id"), {"id": id})


async def test_it_answers_what_sqlalchemy_answers(counters: CounterService) -> None:
    statement = Swift("select value, id + 1, cast(:word as text), ':word' from test_counter where id = :id")
    parameters = {"word": "%s $1 \\ ☂", "id": 1}
    async with counters.db.reading() as connection:
        plain = (await connection.execute(statement.plain, parameters)).one()
    assert await counters.db.swiftly(statement, parameters) == tuple(plain)
    assert await counters.db.swiftly(statement, {**parameters, "id": 7}) is None


async def test_inside_a_command_it_sees_what_that_has_written(counters: CounterService) -> None:
    async def body() -> ServiceResult[None]:
        await counters.increment(1)
        assert tuple(await read(counters.db)) == (6,)
        assert await asyncio.create_task(elsewhere()) == (5,)
        return success(None)

    async def elsewhere() -> Any:
        async with counters.db.reader.connect() as connection:
            return (await connection.execute(text("select value from test_counter where id = 1"))).one()

    (await counters.db.run(body)).unwrap()


async def test_a_snapshot_stays_one_instant(counters: CounterService) -> None:
    async def body() -> tuple[Any, Any]:
        before = await read(counters.db)
        async with counters.db.engine.begin() as other:
            await other.execute(text("update test_counter set value = 7 where id = 1"))
        return before, await read(counters.db)

    assert await counters.db.run_snapshot(body) == ((5,), (5,))
    assert await read(counters.db) == (7,)


async def test_a_tracer_is_told(counters: CounterService) -> None:
    counters.db.is_traced = True
    with statements(counters.db) as sent:
        assert await read(counters.db) == (5,)
    assert [each.split()[0] for each in sent] == ["select"]


async def test_a_lost_connection_is_a_lost_server_once(counters: CounterService) -> None:
    """And the pool holds no other connection of that server."""
    (pid,) = await counters.db.swiftly(PID, {}) or ()
    async with counters.db.engine.connect() as other:
        await other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(Exception) as raised:
        await read(counters.db)
    assert is_lost_server(raised.value)
    assert await read(counters.db) == (5,)


async def test_its_errors_are_told_apart_like_those_of_sqlalchemy(counters: CounterService) -> None:
    db = Database(counters.db.url, DatabaseSettings(statement_timeout_ms=20))
    try:
        with pytest.raises(asyncpg.QueryCanceledError) as raised:
            await db.swiftly(Swift("select pg_sleep(10)"), {})
        assert is_overload(raised.value)
    finally:
        await db.close()


async def test_whoever_is_cancelled_takes_no_connection_along(counters: CounterService) -> None:
    for delay in range(30):
        task = asyncio.create_task(read(counters.db))
        await asyncio.sleep(delay / 20_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert counters.db.reader.pool.status().endswith("Current Checked out connections: 0")
    assert await read(counters.db) == (5,)


async def test_what_nobody_waits_for_any_more_ends_at_the_server(counters: CounterService) -> None:
    db, question = Database(counters.db.url, DatabaseSettings(statement_timeout_ms=600_000)), "select pg_sleep(600)"

    async def runs() -> bool:
        found = await counters.db.swiftly(
            Swift("select count(*) from pg_stat_activity where query = :question"), {"question": question}
        )
        return found is not None and found[0] == 1

    async def has_ended() -> bool:
        return not await runs()

    try:
        asking = asyncio.create_task(db.swiftly(Swift(question), {}))
        await eventually(runs)
        asking.cancel()
        await eventually(has_ended)
    finally:
        await db.close()

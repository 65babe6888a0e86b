"""Past SQLAlchemy: the same row as through it, wherever it is asked for, and whatever becomes of its connection."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from plaza.core.db import CommitUnknown, Database, DatabaseSettings, ScopedStatement, Swift, is_lost_server, is_overload
from plaza.core.db.transaction import open_scope
from plaza.core.errors import NotFound
from plaza.core.result import Failure, ServiceResult, failure, success
from tests.core.conftest import Counter, CounterService
from tests.support.statements import statements
from tests.support.waiting import eventually

PID = Swift("select pg_backend_pid()")
ADD = Swift("update test_counter set value = value + :by, version = version + 1 where id = :id returning value")


@pytest.fixture
async def counters(counters: CounterService) -> CounterService:
    await counters.increment(1, 5)
    return counters


async def read(db: Database, id: int = 1) -> Any:
    return await db.swiftly(Swift("select value from test_counter where id = :id"), {"id": id})


async def add(db: Database, by: int = 1, id: int = 1) -> Any:
    return await db.at_once(ADD, {"by": by, "id": id})


async def end(db: Database, pid: int) -> None:
    async with db.engine.connect() as other:
        await other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})


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


async def test_lost_connections_are_made_anew(counters: CounterService) -> None:
    slow = Swift("select pg_backend_pid(), pg_sleep(0.1)")
    found = await asyncio.gather(*(counters.db.swiftly(slow, {}) for _ in range(4)))
    pids = {each[0] for each in found if each is not None}
    assert len(pids) == 4
    for pid in pids:
        await end(counters.db, pid)
    assert await asyncio.gather(*(read(counters.db) for _ in range(4))) == [(5,)] * 4


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


async def test_a_command_of_one_statement_commits_with_its_answer(counters: CounterService) -> None:
    with statements(counters.db) as sent:
        assert await add(counters.db) == (6,)
    assert sent == [ADD.sql]
    assert await read(counters.db) == (6,)
    assert await add(counters.db, id=7) is None


async def test_a_command_of_one_statement_is_the_primarys(counters: CounterService) -> None:
    away = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    db = Database(counters.db.url, DatabaseSettings(replica_url=away))
    try:
        assert await add(db) == (6,)
    finally:
        await db.close()
    assert await read(counters.db) == (6,)


async def test_inside_another_command_it_stands_and_falls_with_it(counters: CounterService) -> None:
    async def body(id: int) -> ServiceResult[None]:
        counter: Any = await counters.db.session.get(Counter, 1)
        counter.value = 8
        assert await add(counters.db) == (9,)
        return success(None) if id == 1 else failure(NotFound())

    assert isinstance(await counters.db.run(lambda: body(7)), Failure)
    assert await read(counters.db) == (5,)
    (await counters.db.run(lambda: body(1))).unwrap()
    assert await read(counters.db) == (9,)


async def test_under_a_scope_it_is_refused_for_its_row_could_not_be_stored(counters: CounterService) -> None:
    scope: Any = object()
    token = open_scope.set(scope)
    try:
        with pytest.raises(ScopedStatement):
            await add(counters.db)
    finally:
        open_scope.reset(token)
    assert await read(counters.db) == (5,)


async def test_a_tracer_is_told_of_it_too(counters: CounterService) -> None:
    counters.db.is_traced = True
    with statements(counters.db) as sent:
        assert await add(counters.db) == (6,)
    assert [each.split()[0] for each in sent] == ["update"]
    assert await read(counters.db) == (6,)


async def test_a_connection_that_was_gone_starts_it_afresh(counters: CounterService) -> None:
    (pid,) = await counters.db.swiftly(PID, {}) or ()
    connection = await counters.db.reader.raw_connection()
    driver: Any = connection.driver_connection
    connection.close()
    await end(counters.db, pid)

    async def is_gone() -> bool:
        return bool(driver.is_closed())

    await eventually(is_gone)
    assert await add(counters.db) == (6,)
    assert await read(counters.db) == (6,)


async def test_one_that_goes_meanwhile_leaves_it_unknown(counters: CounterService) -> None:
    """It waits for a row when its server is ended: sent once, and told as what it is."""
    (pid,) = await counters.db.swiftly(PID, {}) or ()
    async with counters.db.engine.begin() as holding:
        await holding.execute(text("update test_counter set value = 1 where id = 1"))
        adding = asyncio.create_task(add(counters.db))

        async def waits() -> bool:
            found = await holding.scalar(
                text("select count(*) from pg_locks where not granted and pid = :pid"), {"pid": pid}
            )
            return bool(found == 1)

        await eventually(waits)
        await end(counters.db, pid)
        with pytest.raises(CommitUnknown) as raised:
            await adding
    assert is_lost_server(raised.value)
    assert await read(counters.db) == (1,)


async def test_whom_a_deadlock_hits_begins_again(counters: CounterService) -> None:
    """Each holds what the other wants: whichever of them is ended, both have their way."""
    both = Swift("""with one as (update test_counter set value = value + 1 where id = :first returning id, pg_sleep(0.5))
      update test_counter set value = value + 1 where id = (select cast(:second as integer) from one) returning value""")
    await asyncio.gather(*(counters.db.swiftly(Swift("select pg_sleep(0.1)"), {}) for _ in range(2)))  # connected
    before = REGISTRY.get_sample_value("plaza_deadlocks_total") or 0
    with statements(counters.db) as sent:
        pairs = ({"first": 1, "second": 2}, {"first": 2, "second": 1})
        await asyncio.gather(*(counters.db.at_once(both, each) for each in pairs))
    assert len(sent) == 3
    assert REGISTRY.get_sample_value("plaza_deadlocks_total") == before + 1
    assert (await read(counters.db), await read(counters.db, 2)) == ((7,), (2,))

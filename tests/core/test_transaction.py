from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.util import await_only

from plaza.core.db import (
    CommitUnknown,
    Database,
    DatabaseSettings,
    DoomedTransaction,
    NoTransaction,
    WrongTask,
    is_lost_server,
    is_overload,
)
from plaza.core.errors import NotFound
from plaza.core.result import Failure, ServiceResult, success
from plaza.core.service import FlowInTransaction, OutsideCallInTransaction, UndeclaredFailure, outside
from tests.support.servers import TestServers

from .conftest import Counter, CounterService


async def value(counters: CounterService, id: int) -> int:
    return (await counters.value(id)).unwrap()


async def test_a_refusal_inside_leaves_no_trace(counters: CounterService) -> None:
    result = await counters.both(1, 99)
    assert isinstance(result, Failure)
    assert isinstance(result.error, NotFound)
    assert await value(counters, 1) == 0


async def test_a_swallowed_refusal_dooms_the_transaction(counters: CounterService) -> None:
    with pytest.raises(DoomedTransaction):
        await counters.swallow(1, 99)
    assert await value(counters, 1) == 0


async def test_an_attempt_takes_back_only_its_own_part(counters: CounterService) -> None:
    assert (await counters.try_second(1, 99)).unwrap() is False
    assert await value(counters, 1) == 1
    assert (await counters.try_second(1, 2)).unwrap() is True
    assert (await value(counters, 1), await value(counters, 2)) == (2, 1)


async def test_an_undeclared_failure_raises_where_the_database_is_strict(counters: CounterService) -> None:
    with pytest.raises(UndeclaredFailure, match="STALE_RECORD"):
        await counters.undeclared()
    counters.db.strict = False
    result = await counters.undeclared()
    assert isinstance(result, Failure)
    assert result.error.code == "STALE_RECORD"


async def test_a_flow_does_not_run_inside_a_transaction(counters: CounterService) -> None:
    with pytest.raises(FlowInTransaction):
        await counters.flow_inside(1)
    assert (await counters.twice(1)).unwrap() == 2


async def test_a_gateway_does_not_run_inside_a_transaction(db: Database) -> None:
    @outside
    async def call() -> str:
        return "answer"

    async def body() -> ServiceResult[str]:
        return success(await call())

    assert await call() == "answer"
    with pytest.raises(OutsideCallInTransaction):
        await db.run(body)


async def test_writing_outside_of_a_command_is_refused(db: Database) -> None:
    with pytest.raises(NoTransaction):
        _ = db.session


async def test_another_task_does_not_reach_the_transaction(db: Database) -> None:
    async def body() -> ServiceResult[None]:
        async def thief() -> None:
            _ = db.session

        with pytest.raises(WrongTask):
            await asyncio.gather(thief())
        return success(None)

    await db.run(body)


async def test_stale_writes_start_afresh_so_that_none_is_lost(counters: CounterService) -> None:
    async def often() -> None:
        for _ in range(10):
            done = False
            while not done:
                try:
                    (await counters.increment(1)).unwrap()
                    done = True
                except Exception as error:  # more conflicts than tries: the caller is told, and asks again
                    assert "StaleDataError" in type(error).__name__

    await asyncio.gather(*(often() for _ in range(8)))
    assert await value(counters, 1) == 80
    assert counters.runs > 80, "nobody met anybody: this proved nothing"


async def test_a_deadlock_is_retried(counters: CounterService) -> None:
    both_hold_one = asyncio.Barrier(2)
    first_try = {1: True, 2: True}

    async def cross(first: int, second: int) -> None:
        async def body() -> ServiceResult[None]:
            session = counters.db.session
            update = text("update test_counter set value = value + 1 where id = :id")
            await session.execute(update, {"id": first})
            if first_try[first]:
                first_try[first] = False
                await both_hold_one.wait()
            await session.execute(update, {"id": second})
            return success(None)

        (await counters.db.run(body)).unwrap()

    await asyncio.gather(cross(1, 2), cross(2, 1))
    assert (await value(counters, 1), await value(counters, 2)) == (2, 2)


async def test_a_connection_lost_before_commit_is_retried(counters: CounterService) -> None:
    tries = 0

    async def body() -> ServiceResult[None]:
        nonlocal tries
        tries += 1
        session = counters.db.session
        await session.execute(text("update test_counter set value = value + 1 where id = 1"))
        if tries == 1:
            pid = (await session.execute(text("select pg_backend_pid()"))).scalar_one()
            async with counters.db.reader.connect() as other:
                await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        await session.execute(text("select 1"))
        return success(None)

    (await counters.db.run(body)).unwrap()
    assert tries == 2
    assert await value(counters, 1) == 1


async def test_a_commit_that_is_refused_is_an_error_and_not_a_success(counters: CounterService) -> None:
    async with counters.db.engine.begin() as connection:
        await connection.execute(text("update test_counter set value = id"))
        await connection.execute(
            text("alter table test_counter add constraint one unique (value) deferrable initially deferred")
        )
    runs = 0

    async def body() -> ServiceResult[None]:
        nonlocal runs
        runs += 1
        await counters.db.session.execute(text("update test_counter set value = 1"))
        return success(None)

    with pytest.raises(IntegrityError):
        await counters.db.run(body)
    assert runs == 1
    assert await value(counters, 2) == 2


async def test_a_commit_without_an_answer_is_told_as_unknown_and_not_retried(counters: CounterService) -> None:
    runs = 0

    async def body() -> ServiceResult[None]:
        nonlocal runs
        runs += 1
        session = counters.db.session
        await session.execute(text("update test_counter set value = value + 1 where id = 1"))
        pid = (await session.execute(text("select pg_backend_pid()"))).scalar_one()

        @event.listens_for(session.sync_session, "before_commit")
        def kill_the_server_side(_: object) -> None:
            await_only(terminate(pid))

        return success(None)

    async def terminate(pid: int) -> None:
        async with counters.db.reader.connect() as other:
            await other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    with pytest.raises(CommitUnknown) as raised:
        await counters.db.run(body)
    assert is_lost_server(raised.value)
    assert runs == 1


async def test_hooks_run_after_the_commit_and_only_then(counters: CounterService) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(await value(counters, 1))

    async def body() -> ServiceResult[int]:
        counters.db.after_commit(look)
        return await counters.increment(1)

    async def refused() -> ServiceResult[int]:
        counters.db.after_commit(look)
        return await counters.increment(99)

    await counters.db.run(body)
    await counters.db.run(refused)
    assert seen == [1]


async def test_a_broken_hook_does_not_undo_the_answer(counters: CounterService) -> None:
    async def break_down() -> None:
        raise OSError("the wake-up is lost")

    async def body() -> ServiceResult[int]:
        counters.db.after_commit(break_down)
        return await counters.increment(1)

    assert (await counters.db.run(body)).unwrap() == 1


async def test_a_query_reads_in_autocommit_and_inside_a_command_in_its_transaction(counters: CounterService) -> None:
    async def body() -> ServiceResult[int]:
        await counters.increment(1)
        inside = await value(counters, 1)
        outside = await asyncio.create_task(read_elsewhere())
        assert (inside, outside) == (1, 0)
        return success(inside)

    async def read_elsewhere() -> int:
        async with counters.db.reader.connect() as connection:
            found: int = (await connection.execute(text("select value from test_counter where id = 1"))).scalar_one()
            return found

    await counters.db.run(body)
    async with counters.db.reading() as connection:
        instants = [(await connection.execute(text("select now()"))).scalar_one() for _ in range(2)]
    assert instants[0] < instants[1], "one transaction holds both"


async def test_a_snapshot_sees_one_instant(counters: CounterService) -> None:
    async def body() -> tuple[int, int]:
        before = await value(counters, 1)
        await asyncio.create_task(elsewhere())
        return before, await value(counters, 1)

    async def elsewhere() -> None:
        async with counters.db.engine.begin() as connection:
            await connection.execute(text("update test_counter set value = 7 where id = 1"))

    assert await counters.db.run_snapshot(body) == (0, 0)
    assert await value(counters, 1) == 7


async def test_time_limits_are_told_as_overload(counters: CounterService) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with counters.db.engine.begin() as connection:
            await connection.execute(text("set local statement_timeout = '20ms'"))
            await connection.execute(text("select pg_sleep(10)"))
    assert is_overload(raised.value)


async def test_cancelled_commands_leak_no_connection(counters: CounterService) -> None:
    for delay in range(40):
        task = asyncio.create_task(counters.both(1, 2))
        await asyncio.sleep(delay / 10_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await value(counters, 1) == await value(counters, 2)
    assert counters.db.engine.pool.status().endswith("Current Checked out connections: 0")


async def test_soft_locks_give_the_row_as_it_is_now(counters: CounterService) -> None:
    async def body() -> ServiceResult[int]:
        row = await counters.db.session.get(Counter, 1)
        assert row is not None
        async with counters.db.engine.begin() as other:
            await other.execute(text("update test_counter set value = 5, version = version + 1 where id = 1"))
        locked = await counters.counters.lock(1)  # type: ignore[arg-type] # the toy table's ids are numbers
        assert locked is row
        return success(row.value)

    assert (await counters.db.run(body)).unwrap() == 5


async def test_what_must_be_fresh_is_not_read_from_a_replica(servers: TestServers) -> None:
    replica = await servers.another_database("replica")
    db = Database(servers.database_url, DatabaseSettings(replica_url=replica))
    asked = text("select current_database()")
    try:
        async with db.reading() as connection:
            assert (await connection.execute(asked)).scalar_one() == f"{servers.database}_replica"
        async with db.reading(fresh=True) as connection:
            assert (await connection.execute(asked)).scalar_one() == servers.database
    finally:
        await db.close()

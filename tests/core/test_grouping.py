from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from plaza.core.correlation import correlated, correlation_id
from plaza.core.db import CommitUnknown, Database
from plaza.core.errors import PermissionDenied
from plaza.core.grouping import _Lanes, grouped
from plaza.core.result import Failure, ServiceResult, failure, success
from plaza.core.service import Service, command
from tests.support.waiting import eventually

APPEND = text(
    """insert into test_journal (lane, value, note)
    select * from unnest(cast(:l as int[]), cast(:v as int[]), cast(:n as text[]))"""
)


class Entry(msgspec.Struct, frozen=True):
    lane: int
    value: int
    note: str = ""

    @property
    def order_key(self) -> int:
        return self.lane


class JournalService(Service):
    """Appends numbers; refuses negative ones; a NUL in the note is an error of its statement."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.batches: list[int] = []
        self.correlations: set[str] = set()
        self.kill_at_commit = False
        self.hold_up: asyncio.Event | None = None
        self.held: frozenset[int] = frozenset({1})

    @grouped(PermissionDenied, limit=8)
    async def append(self, entries: Sequence[Entry]) -> Sequence[ServiceResult[int]]:
        self.batches.append(len(entries))
        self.correlations.add(correlation_id())
        if self.hold_up is not None and self.held & {entry.lane for entry in entries}:
            await self.hold_up.wait()
        if self.kill_at_commit:
            await self._lose_the_commit()
        accepted = [entry for entry in entries if entry.value >= 0]
        if accepted:
            await (await self.db.session.connection()).execute(
                APPEND,
                {
                    "l": [entry.lane for entry in accepted],
                    "v": [entry.value for entry in accepted],
                    "n": [entry.note for entry in accepted],
                },
            )
        return [success(entry.value) if entry.value >= 0 else failure(PermissionDenied()) for entry in entries]

    @command(append)
    async def append_two(self, first: Entry, second: Entry) -> ServiceResult[int]:
        (await self.append(first)).unwrap()
        (await self.append(second)).unwrap()
        return success(2)

    async def written(self) -> list[tuple[int, int]]:
        async with self.db.reading() as connection:
            rows = await connection.execute(text("select lane, value from test_journal order by id"))
            return [(row.lane, row.value) for row in rows]

    async def _lose_the_commit(self) -> None:
        session = self.db.session
        pid = (await session.execute(text("select pg_backend_pid()"))).scalar_one()

        async def terminate() -> None:
            async with self.db.reader.connect() as other:
                await other.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})

        @event.listens_for(session.sync_session, "before_commit")
        def kill_the_server_side(_: object) -> None:
            await_only(terminate())


@pytest.fixture
async def journal(db: Database) -> JournalService:
    async with db.engine.begin() as connection:
        await connection.execute(text("drop table if exists test_journal"))
        await connection.execute(
            text("create table test_journal (id bigint generated always as identity, lane int, value int, note text)")
        )
    return JournalService(db)


async def test_waiting_calls_share_a_transaction_and_keep_their_order(journal: JournalService) -> None:
    results = await asyncio.gather(*(journal.append(Entry(1, n)) for n in range(40)))
    assert [result.unwrap() for result in results] == list(range(40))
    assert await journal.written() == [(1, n) for n in range(40)]
    assert len(journal.batches) < 40
    assert max(journal.batches) == 8


async def test_a_refused_input_harms_no_other(journal: JournalService) -> None:
    results = await asyncio.gather(*(journal.append(Entry(1, n if n % 3 else -1)) for n in range(12)))
    assert [isinstance(result, Failure) for result in results] == [n % 3 == 0 for n in range(12)]
    assert len(await journal.written()) == 8


async def test_an_input_that_breaks_the_statement_hurts_only_its_author(journal: JournalService) -> None:
    calls = [journal.append(Entry(1, n, "\0" if n == 5 else "")) for n in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[5], DBAPIError)
    assert [value for _, value in await journal.written()] == [n for n in range(10) if n != 5]


async def test_a_lost_commit_is_told_to_all_of_the_batch(journal: JournalService) -> None:
    journal.kill_at_commit = True
    results = await asyncio.gather(*(journal.append(Entry(1, n)) for n in range(4)), return_exceptions=True)
    assert all(isinstance(result, CommitUnknown) for result in results)
    journal.kill_at_commit = False
    assert (await journal.append(Entry(1, 9))).unwrap() == 9


async def test_inside_a_command_it_joins_that_transaction(journal: JournalService) -> None:
    assert (await journal.append_two(Entry(1, 1), Entry(1, 2))).unwrap() == 2
    assert isinstance(await journal.append_two(Entry(1, 3), Entry(1, -1)), Failure)
    assert await journal.written() == [(1, 1), (1, 2)]


async def test_a_cancelled_caller_does_not_cancel_the_batch(journal: JournalService) -> None:
    tasks = [asyncio.create_task(journal.append(Entry(1, n))) for n in range(6)]
    await asyncio.sleep(0)
    tasks[2].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[2], asyncio.CancelledError)
    assert [value for _, value in await journal.written()] == list(range(6))


async def test_a_lane_carries_no_callers_context(journal: JournalService) -> None:
    with correlated("of-one-caller"):
        await journal.append(Entry(1, 1))
    assert journal.correlations == {""}


async def test_what_waits_for_somebody_elses_lock_holds_up_only_its_own_kind(journal: JournalService) -> None:
    """Those of the same key wait behind it, in order; others have a lane of their own by then."""

    async def is_held_up() -> bool:
        return journal.batches == [1]

    journal.hold_up = asyncio.Event()
    held = [asyncio.create_task(journal.append(Entry(1, 1)))]
    await eventually(is_held_up)
    held += [asyncio.create_task(journal.append(Entry(1, n))) for n in (2, 3)]
    others = await asyncio.gather(*(journal.append(Entry(lane, n)) for n in range(3) for lane in (2, 3)))
    assert [result.unwrap() for result in others] == [0, 0, 1, 1, 2, 2]
    assert not any(each.done() for each in held)
    journal.hold_up.set()
    assert [result.unwrap() for result in await asyncio.gather(*held)] == [1, 2, 3]
    written = await journal.written()
    assert [value for lane, value in written if lane == 1] == [1, 2, 3]
    assert [value for lane, value in written if lane == 2] == [0, 1, 2]


async def test_as_many_lanes_as_may_be_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Lanes, "PATIENCE_S", 0)
    begun: list[list[int]] = []
    go_on = asyncio.Event()

    async def run(entries: Sequence[Entry]) -> Sequence[ServiceResult[int]]:
        begun.append([entry.lane for entry in entries])
        await go_on.wait()
        return [success(entry.value) for entry in entries]

    lanes = _Lanes(run, limit=8, lanes=2)
    calls = []
    for lane in (1, 2, 3, 1, 2, 4):
        calls.append(lanes.put(Entry(lane, 10 * lane)))
        for _ in range(10):  # turns of the loop: each batch is late by then
            await asyncio.sleep(0)
    assert begun == [[1], [2]]
    go_on.set()
    results = [result.unwrap() for result in await asyncio.gather(*calls)]
    assert results == [10, 20, 30, 10, 20, 40]
    assert sorted(lane for each in begun[2:] for lane in each) == [1, 2, 3, 4]
    assert not lanes.being_written
    assert lanes.delayed == 0


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 20)), max_size=30))
async def test_grouped_and_one_by_one_have_the_same_outcome(
    journal: JournalService, entries: list[tuple[int, int]]
) -> None:
    async def outcome(together: bool) -> tuple[list[bool], dict[int, list[int]]]:
        async with journal.db.engine.begin() as connection:
            await connection.execute(text("truncate test_journal"))
        calls = [Entry(lane, value) for lane, value in entries]
        if together:
            results = list(await asyncio.gather(*map(journal.append, calls)))
        else:
            results = [await journal.append(call) for call in calls]
        written = await journal.written()
        lanes = {lane: [value for each, value in written if each == lane] for lane in range(4)}
        return [isinstance(result, Failure) for result in results], lanes

    assert await outcome(together=True) == await outcome(together=False)

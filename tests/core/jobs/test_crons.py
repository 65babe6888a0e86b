from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from plaza.core.composition import Context
from plaza.core.db import Database
from plaza.core.jobs import BadHandler, Jobs, Registry, cron, handles, job
from plaza.core.jobs.crons import Crons
from plaza.core.jobs.declare import Schedule
from plaza.core.jobs.store import JobStore
from plaza.core.messages import JobPayload
from plaza.core.result import ServiceResult, success
from tests.support.clock import ManualClock
from tests.support.jobs import working
from tests.support.waiting import eventually

from .conftest import Table
from .probe import Happened, Note


class Twice(JobPayload, frozen=True, kw_only=True, tag="test.twice"):
    """Claimed by two jobs."""


MONDAY = datetime(2024, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hour": 3, "minute": 10}, datetime(2024, 1, 2, 3, 10, tzinfo=UTC)),
        ({"hour": 13}, datetime(2024, 1, 1, 13, 0, tzinfo=UTC)),
        ({"minute": {0, 31, 45}}, datetime(2024, 1, 1, 12, 31, tzinfo=UTC)),
        ({"day": 1}, datetime(2024, 2, 1, tzinfo=UTC)),
        ({"weekday": 6, "hour": 4}, datetime(2024, 1, 7, 4, tzinfo=UTC)),
        ({"second": {0, 20, 40}}, datetime(2024, 1, 1, 12, 30, 20, tzinfo=UTC)),
    ],
)
def test_the_next_firing(fields: dict[str, int | set[int]], expected: datetime) -> None:
    schedule = Schedule.of(**fields)
    assert schedule.after(MONDAY) == expected
    assert schedule.after(expected) > expected
    assert schedule.after(expected - timedelta(microseconds=1)) == expected


def test_a_cron_needs_a_time() -> None:
    with pytest.raises(ValueError, match="needs a time"):
        cron()


async def test_each_firing_runs_once_however_many_workers_run(jobs: Jobs, table: Table, clock: ManualClock) -> None:
    async with working(jobs), working(jobs):
        for firings in (1, 2, 3):
            await _stands(table, firings)
            clock.advance(timedelta(days=1))
            await _has_run(table, firings)
    assert len(await table.rows("select 1 from core_job where handler = 'probe.tidy' and state = 'done'")) == 3


async def test_a_firing_that_no_worker_saw_runs_when_one_is_back(jobs: Jobs, table: Table, clock: ManualClock) -> None:
    async with working(jobs):
        await _stands(table, 1)
    clock.advance(timedelta(days=10))
    async with working(jobs):
        await _has_run(table, 1)
        await _stands(table, 2)
    assert len(await table.rows("select 1 from test_effect where name = 'tidy'")) == 1


async def test_workers_write_the_same_row(jobs: Jobs, table: Table, clock: ManualClock) -> None:
    store = JobStore(jobs.parts[Database], clock, 10)
    workers = [Crons(store, jobs.registry.crons, clock, poll_s=1) for _ in range(5)]
    await asyncio.gather(*(each.write_ahead() for each in workers))
    rows = await table.rows("select handler, count(*) as count from core_job group by handler")
    assert {row.handler: row.count for row in rows} == {entry.name: 1 for entry in jobs.registry.crons}


def test_declarations_that_cannot_work_are_refused_at_start() -> None:
    @job()
    async def one(_: Twice) -> ServiceResult[None]:
        return success(None)

    @job()
    async def other(_: Twice) -> ServiceResult[None]:
        return success(None)

    @job()
    async def naked() -> ServiceResult[None]:
        return success(None)

    @handles(Happened)
    async def same(_: Happened) -> ServiceResult[None]:
        return success(None)

    for context, words in (
        (Context(name="test", jobs=(one, other)), "two jobs"),
        (Context(name="test", jobs=(naked,)), "first parameter"),
        (Context(name="test", event_handlers=(same, same)), "two handlers"),
        (Context(name="test", event_handlers=(one,)), "@handles"),
    ):
        with pytest.raises(BadHandler, match=words):
            Registry([context])


def test_secrets_are_found_by_type(jobs: Jobs) -> None:
    assert jobs.registry.job(Note).secrets == ("secret",)


async def _stands(table: Table, firings: int) -> None:
    async def check() -> bool:
        return len(await table.rows("select 1 from core_job where handler = 'probe.tidy'")) == firings

    await eventually(check)


async def _has_run(table: Table, firings: int) -> None:
    async def check() -> bool:
        done = await table.rows("select 1 from core_job where handler = 'probe.tidy' and state = 'done'")
        return len(done) == firings

    await eventually(check)
    assert len(await table.rows("select 1 from test_effect where name = 'tidy'")) == firings

"""What staff see and do, and what is purged."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prometheus_client import REGISTRY
from sqlalchemy import text

from plaza.core.db import Database, PageRequest
from plaza.core.idempotency import KEPT
from plaza.core.ids import uuid7
from plaza.core.jobs import JobNotDead, JobNotFound, Jobs, JobService, JobWorker
from plaza.core.result import Failure
from tests.support.clock import ManualClock
from tests.support.jobs import working

from .conftest import Table
from .probe import Journey, Note, ProbeService


async def test_dead_jobs_come_in_pages_latest_first(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    async with working(jobs):
        for n in range(5):
            await probe.request(Note(value=str(n), fails="refused"))
            await table.ended()
            clock.advance(timedelta(seconds=1))
    service = jobs.parts[JobService]
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        page = (await service.dead(PageRequest(limit=2, cursor=cursor))).unwrap()
        seen += [each.id for each in page.items]
        assert {(each.name, each.error, each.attempts) for each in page.items} == {("probe.note", "NOT_FOUND", 1)}
        if (cursor := page.next_cursor) is None:
            break
    rows = await table.rows("select id from core_job where state = 'dead' order by position desc")
    assert seen == [row.id for row in rows]


async def test_a_retried_job_goes_on_behind_its_done_steps_with_all_its_attempts(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    probe.broken["outside x"] = 3
    await probe.request(Journey(value="x"))
    async with working(jobs):
        while await table.states() != ["dead"]:
            clock.advance(timedelta(minutes=1))
            await table.rows("select pg_sleep(0.05)")
        row = await table.one("probe.journey")
        (await jobs.parts[JobService].retry(row.id)).unwrap()
        await table.reached("done")
    assert [name for name, _ in await table.effects()] == ["started", "arrived"]
    again = await table.one("probe.journey")
    assert (again.failures, again.error) == (0, None)
    assert again.position > row.position, "it stands at the end of its line"


async def test_only_dead_jobs_are_retried(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="x"))
    service = jobs.parts[JobService]
    refused = await service.retry((await table.one("probe.note")).id)
    assert isinstance(refused, Failure)
    assert isinstance(refused.error, JobNotDead)
    unknown = await service.retry(uuid7())
    assert isinstance(unknown, Failure)
    assert isinstance(unknown.error, JobNotFound)


async def test_done_jobs_go_after_days_dead_ones_after_weeks_and_others_never(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    async with working(jobs):
        await probe.request(Note(value="done"), Note(value="dead", fails="refused"))
        await table.ended()
    await probe.request(Note(value="waiting"))
    service = jobs.parts[JobService]
    for days, left in ((2, ["done", "dead", "queued"]), (4, ["dead", "queued"]), (15, ["queued"])):
        clock.advance(timedelta(days=days))
        await service.purge()
        assert await table.states() == left


async def test_stored_results_go_once_they_are_no_longer_replayed(jobs: Jobs, table: Table, clock: ManualClock) -> None:
    service, insert = (
        jobs.parts[JobService],
        text(
            "insert into core_idempotency (caller, key, step, fingerprint, result, created_at) "
            "values ('', :key, 1, '', 'null', :now)"
        ),
    )
    for key in ("old", "new"):
        async with jobs.parts[Database].engine.begin() as connection:
            await connection.execute(insert, {"key": key, "now": clock.now()})
        clock.advance(KEPT / 2)
    (await service.purge_stored_results()).unwrap()
    assert [row.key for row in await table.rows("select key from core_idempotency")] == ["new"]


async def test_operators_see_what_waits_what_is_dead_and_what_ended(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    def value(metric: str, /, **labels: str) -> float:
        return REGISTRY.get_sample_value(metric, labels) or 0

    ended = {outcome: value("plaza_jobs_total", name="probe.note", outcome=outcome) for outcome in ("done", "dead")}
    async with working(jobs):
        await probe.request(Note(value="x"), Note(value="y", fails="refused"))
        await table.ended()
    for outcome, before in ended.items():
        assert value("plaza_jobs_total", name="probe.note", outcome=outcome) == before + 1

    await probe.request(Note(value="waits"), Note(value="waits too"))
    await probe.request(Note(value="tomorrow"), at=clock.now() + timedelta(days=1))
    await JobWorker(jobs).count()
    assert value("plaza_jobs_waiting", queue="default") == 2
    assert value("plaza_jobs_dead", queue="default") == 1
    assert value("plaza_jobs_dead", queue="far") == 0

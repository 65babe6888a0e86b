"""What becomes of jobs and events, through a real worker in this process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from plaza.core.correlation import correlated
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.jobs import Jobs, NoHandler
from plaza.core.messages import JobPayload
from tests.support.clock import ManualClock
from tests.support.jobs import working
from tests.support.waiting import eventually

from .conftest import Table
from .probe import Careless, Happened, Idle, Journey, Note, Patient, ProbeService


async def test_a_job_is_done_once_and_only_if_its_transaction_committed(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    await probe.request(Note(value="lost"), fails=True)
    await probe.request(Note(value="kept"))
    async with working(jobs):
        await table.ended()
    assert await table.effects() == [("note", "kept")]
    assert await table.states() == ["done"]


async def test_a_notification_hastens_what_polling_would_find(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    async with working(jobs) as worker:
        worker.relay.poll_s = 3600
        await eventually(lambda: _is_ready(worker))
        await asyncio.sleep(0.5)
        await probe.request(Note(value="soon"))
        await table.ended()
    assert await table.effects() == [("note", "soon")]


async def test_without_the_notification_polling_finds_it(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    async with working(jobs) as worker:
        worker.relay.wake = lambda queue=None: None  # type: ignore[method-assign] # as if every notification were lost
        await probe.request(Note(value="polled"))
        await table.ended()
    assert await table.effects() == [("note", "polled")]


async def test_an_event_reaches_each_handler_once_with_what_set_it_off(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    with correlated("request-7"):
        await probe.announce(Happened(subject=uuid4(), value="a"))
    async with working(jobs):
        await table.ended()
    assert sorted(await table.effects()) == [("count", "a"), ("tell", "a")]
    row, effect = (
        await table.one("probe.count"),
        (await table.rows("select cause from test_effect where name = 'count'"))[0],
    )
    assert effect.cause == f"request-7 {row.id}"
    assert row.event["type"] == "probe.happened"
    assert row.event["aggregate_type"] == "subject"
    assert {"event_id", "version", "occurred_at", "aggregate_id", "actor_id", "organization_id"} <= set(row.event)


async def test_a_refusal_is_final(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="x", fails="refused"))
    async with working(jobs):
        await table.ended()
    row = await table.one("probe.note")
    assert (row.state, row.error, row.attempt) == ("dead", "NOT_FOUND", 1)
    assert await table.effects() == []


async def test_a_refusal_that_names_a_time_comes_again_then(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    await probe.request(Note(value="x", fails="later"))
    async with working(jobs):
        await eventually(lambda: _failures(table, 1))
        row = await table.one("probe.note")
        assert (row.state, row.run_at) == ("queued", clock.now() + timedelta(seconds=90))
        for failures in (2, 3):
            clock.advance(timedelta(seconds=91))
            await eventually(lambda failures=failures: _failures(table, failures))  # type: ignore[misc]
    assert (await table.one("probe.note")).state == "dead"


async def test_an_exception_is_tried_again_with_growing_pauses_and_then_given_up(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    probe.broken["x"] = 99
    await probe.request(Note(value="x"))
    pauses = []
    async with working(jobs):
        for failures in (1, 2):
            await eventually(lambda failures=failures: _failures(table, failures))  # type: ignore[misc]
            pauses.append(((await table.one("probe.note")).run_at - clock.now()).total_seconds())
            clock.advance(timedelta(hours=1))
        await table.reached("dead")
    assert 1.5 <= pauses[0] <= 2.5
    assert 3 <= pauses[1] <= 5
    row = await table.one("probe.note")
    assert row.error == "RuntimeError", "of a job that carries secrets nothing more is told"
    assert await table.effects() == []


async def test_declared_pauses_stand_between_the_tries(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    probe.broken["x"] = 99
    await probe.request(Patient(value="x"))
    async with working(jobs):
        for failures, pause_s in ((1, 60), (2, 600)):
            await eventually(lambda failures=failures: _failures(table, failures))  # type: ignore[misc]
            waits = ((await table.one("probe.patient")).run_at - clock.now()).total_seconds()
            assert 0.75 * pause_s <= waits <= 1.25 * pause_s
            clock.advance(timedelta(seconds=waits))
        await table.reached("dead")
    assert (await table.one("probe.patient")).attempt == 3


async def test_a_try_without_redis_does_not_count(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    """Of the three that the job has."""
    await probe.request(Note(value="x", fails="away"))
    async with working(jobs):
        for attempt in range(1, 8):
            await eventually(lambda attempt=attempt: _postponed(table, attempt))  # type: ignore[misc]
            row = await table.one("probe.note")
            assert (row.error, row.run_at) == ("UNAVAILABLE", clock.now() + timedelta(seconds=90))
            clock.advance(timedelta(seconds=91))
    row = await table.one("probe.note")
    assert (row.state, row.failures) == ("queued", 0)


@pytest.mark.parametrize("payload", [Note(value="x"), Journey(value="x")], ids=["command", "flow"])
async def test_a_try_without_postgres_does_not_count(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock, payload: JobPayload
) -> None:
    """Each try takes as many lost connections as the database bears by itself. Of three tries the sixth succeeds."""
    probe.broken["lost x"] = 5 * Database.TRIES
    await probe.request(payload)

    async def is_done() -> bool:
        clock.advance(timedelta(seconds=20))
        return await table.states() == ["done"]

    async with working(jobs):
        await eventually(is_done)
    row = await table.one(payload.name())
    assert (row.failures, row.attempt) == (0, 6)
    assert probe.broken["lost x"] == 0


async def test_an_exception_passes(jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock) -> None:
    probe.broken["x"] = 1
    await probe.request(Note(value="x"))
    async with working(jobs):
        await eventually(lambda: _failures(table, 1))
        clock.advance(timedelta(seconds=5))
        await table.ended()
    assert await table.effects() == [("note", "x")]


async def test_the_jobs_of_one_key_run_one_after_another(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    probe.broken["0"] = 1
    await probe.request(*(Note(value=str(n)) for n in range(20)), key="one")
    await probe.request(Note(value="free"))
    async with working(jobs):
        await table.reached("done", 1)
        await eventually(lambda: _failures(table, 1))
        assert await table.effects() == [("note", "free")], "the line waits for its first, others do not"
        clock.advance(timedelta(seconds=5))
        await table.ended()
    assert (await table.effects())[1:] == [("note", str(n)) for n in range(20)]


async def test_the_dead_do_not_hold_up_their_line(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="first", fails="refused"), Note(value="second"), key="one")
    async with working(jobs):
        await table.ended()
    assert await table.states() == ["dead", "done"]


async def test_events_of_one_aggregate_keep_their_order_for_each_handler(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    subject = uuid4()
    for n in range(10):
        await probe.announce(Happened(subject=subject, value=str(n)))
    async with working(jobs):
        await table.ended()
    effects = await table.effects()
    for name in ("count", "tell"):
        assert [value for each, value in effects if each == name] == [str(n) for n in range(10)]


async def test_a_job_waits_for_its_time(jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock) -> None:
    await probe.request(Note(value="tomorrow"), at=clock.now() + timedelta(days=1))
    await probe.request(Note(value="now"))
    async with working(jobs):
        await table.reached("done")
        assert await table.effects() == [("note", "now")]
        clock.advance(timedelta(days=1))
        await table.ended()
    assert await table.effects() == [("note", "now"), ("note", "tomorrow")]


async def test_a_flow_goes_on_where_it_stopped(
    jobs: Jobs, probe: ProbeService, table: Table, clock: ManualClock
) -> None:
    probe.broken["outside x"] = 1
    await probe.request(Journey(value="x"))
    async with working(jobs):
        await eventually(lambda: _failures(table, 1))
        assert len(await table.rows("select 1 from core_job_step")) == 1
        clock.advance(timedelta(seconds=5))
        await table.ended()
    effects = await table.effects()
    assert [name for name, _ in effects] == ["started", "arrived"], "the first command was not run again"
    assert probe.calls == ["x", "x"], "what is unknown is asked again"
    assert await table.rows("select 1 from core_job_step") == [], "stored results are gone with the job's end"


async def test_a_second_command_is_a_bug_that_is_told(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Careless())
    async with working(jobs):
        await table.ended()
    assert await table.effects() == [("first", "careless")]


async def test_a_handler_without_a_command_is_done_too(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Idle())
    async with working(jobs):
        await table.ended()
    assert await table.states() == ["done"]


async def test_sealed_fields_leave_with_the_jobs_end(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    vault = jobs.parts[Vault]
    await probe.request(
        Note(value="kept", secret=vault.seal("123456")), Note(value="x", fails="refused", secret=vault.seal("123456"))
    )
    async with working(jobs):
        await table.ended()
    done, dead = await table.rows("select state, payload from core_job where handler = 'probe.note' order by position")
    assert done.payload == {"type": "probe.note", "value": "kept", "fails": ""}
    assert "123456" not in str(dead.payload)
    assert set(dead.payload["secret"]) == {"ciphertext"}, "until it is purged, a dead job can be retried"


async def test_what_nobody_handles_is_refused_when_it_is_written(probe: ProbeService, table: Table) -> None:
    class Orphan(JobPayload, frozen=True, kw_only=True, tag="probe.orphan"):
        pass

    with pytest.raises(NoHandler, match="Orphan"):
        await probe.request(Orphan())
    assert await table.states() == []


async def _failures(table: Table, count: int) -> bool:
    return any(row.failures == count for row in await table.rows("select failures from core_job"))


async def _postponed(table: Table, attempt: int) -> bool:
    found = await table.rows("select 1 from core_job where attempt = :attempt and state = 'queued'", attempt=attempt)
    return bool(found)


async def _is_ready(worker: object) -> bool:
    return bool(worker.relay.lane.is_ready)  # type: ignore[attr-defined] # a JobWorker

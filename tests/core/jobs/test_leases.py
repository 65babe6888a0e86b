"""Who may work on a job, and what becomes of the work of somebody who no longer may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text

from plaza.core.clock import Clock
from plaza.core.db import Database, under
from plaza.core.jobs import Jobs
from plaza.core.jobs.relay import Relay
from plaza.core.jobs.runner import back_off, describe, jittered
from plaza.core.jobs.scope import JobScope, LeaseLost
from plaza.core.jobs.store import MOST_LEASES, JobStore, Lease
from tests.support.jobs import runner_of, working
from tests.support.waiting import eventually

from .conftest import Table
from .probe import Journey, Note, ProbeService, note, patient

# PostgreSQL's clock measures leases; those that a test wants to have run out are so from the start.
RUN_OUT_S, LONG_S = -1.0, 3600.0


def store_of(jobs: Jobs, lease_s: float = LONG_S) -> JobStore:
    return JobStore(jobs.parts[Database], jobs.parts[Clock], lease_s)


async def lease(jobs: Jobs, store: JobStore, most: int = 10, queue: str = "default") -> Sequence[Lease]:
    return await store.lease(queue, list(jobs.registry.entries.values()), most)


async def test_no_two_workers_lease_the_same_job(jobs: Jobs, probe: ProbeService) -> None:
    await probe.request(*(Note(value=str(n)) for n in range(100)))
    store = store_of(jobs)
    taken = await asyncio.gather(*(lease(jobs, store) for _ in range(15)))
    ids = [each.id for leases in taken for each in leases]
    assert len(ids) == len(set(ids)) == 100


async def test_of_a_key_only_the_first_in_line_is_leased(jobs: Jobs, probe: ProbeService) -> None:
    await probe.request(Note(value="1"), Note(value="2"), key="line")
    store = store_of(jobs)
    first = await lease(jobs, store)
    assert [each.payload for each in first if '"1"' in each.payload] == [first[0].payload]
    assert await lease(jobs, store) == []
    await runner_of(jobs, store).run(first[0])
    assert len(await lease(jobs, store)) == 1


async def test_a_worker_leases_only_what_it_can_handle(jobs: Jobs, probe: ProbeService) -> None:
    """While a release rolls out, jobs of the new one wait for a worker that knows them."""
    await probe.request(Note(value="x"))
    store = store_of(jobs)
    others = [each for each in jobs.registry.entries.values() if each.name != "probe.note"]
    assert await store.lease("default", others, 10) == []
    assert len(await lease(jobs, store)) == 1


async def test_a_lease_that_ran_out_is_taken_back_under_a_new_attempt(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    await probe.request(Note(value="x"))
    store = store_of(jobs, RUN_OUT_S)
    (old,) = await lease(jobs, store)
    assert await store.take_back() == 1
    (new,) = await lease(jobs, store)
    assert (old.id, old.attempt, new.attempt) == (new.id, 1, 2)

    runner = runner_of(jobs, store)
    assert await runner.run(old) == "lost"
    assert await table.effects() == [], "the fence let nothing of the old attempt through"
    assert await runner.run(new) == "done"
    assert await runner.run(new) == "lost", "done is done"
    assert await table.effects() == [("note", "x")]


async def test_a_renewed_lease_is_not_taken_back(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="x"))
    held = await lease(jobs, store_of(jobs, RUN_OUT_S))
    await store_of(jobs).renew(held)
    assert await store_of(jobs).take_back() == 0
    assert await table.states() == ["leased"]


async def test_what_a_handler_has_locked_is_not_taken_back(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    """A worker that stalled inside its transaction still holds the job's row."""
    await probe.request(Note(value="x"))
    store = store_of(jobs, RUN_OUT_S)
    (held,) = await lease(jobs, store)
    probe.gate = asyncio.Event()
    running = asyncio.create_task(runner_of(jobs, store).run(held))
    await probe.entered.wait()
    assert await store.take_back() == 0
    probe.gate.set()
    assert await running == "done"
    assert await table.effects() == [("note", "x")]


async def test_a_flow_that_lost_its_lease_writes_nothing_more(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Journey(value="x"))
    store = store_of(jobs, RUN_OUT_S)
    (old,) = await lease(jobs, store, queue="far")
    scope = JobScope(store.clock, old.id, old.attempt, outside=True)
    with under(scope):
        (await probe.write("first", "x")).unwrap()
        await store.take_back()
        await lease(jobs, store, queue="far")
        with pytest.raises(LeaseLost):
            await probe.write("second", "x")
    with pytest.raises(LeaseLost):
        await store.finish(scope)
    assert await table.effects() == [("first", "x")]


async def test_a_failure_under_an_old_lease_moves_nothing(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="x"))
    store = store_of(jobs, RUN_OUT_S)
    (old,) = await lease(jobs, store)
    await store.take_back()
    assert await store.postpone(old, store.clock.now(), "late", counted=True) is False
    assert await store.give_up(old, "late") is False
    await store.release([old])
    row = await table.one("probe.note")
    assert (row.state, row.failures, row.error) == ("queued", 0, None)


async def test_a_job_that_no_worker_survives_is_given_up(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    await probe.request(Note(value="x"))
    store = store_of(jobs, RUN_OUT_S)
    for _ in range(MOST_LEASES):
        assert len(await lease(jobs, store)) == 1
        await store.take_back()
    row = await table.one("probe.note")
    assert (row.state, row.failures) == ("dead", 0)
    assert row.ended_at == store.clock.now()


async def test_an_id_that_this_process_does_not_hold_starts_nothing(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    """What arq may still find in Redis: another attempt, another process' job, the same one twice."""
    await probe.request(Note(value="x"))
    async with working(jobs) as worker:
        relay: Relay = worker.relay
        await eventually(lambda: _ready(relay))
        await relay.lane.put([f"{uuid4()}:1", str((await table.one("probe.note")).id) + ":7"])
        await table.ended()
        await relay.lane.put([f"{(await table.one('probe.note')).id}:1"])
        await probe.request(Note(value="y"))
        await table.ended()
    assert await table.effects() == [("note", "x"), ("note", "y")]


async def test_what_redis_forgot_is_leased_again(jobs: Jobs, probe: ProbeService, table: Table) -> None:
    async with working(jobs) as worker:
        relay: Relay = worker.relay
        await eventually(lambda: _ready(relay))
        put, lane = relay.lane.put, relay.lane
        lane.put = _into_the_void  # type: ignore[method-assign, assignment]
        await probe.request(Note(value="x"))
        await table.reached("leased")
        lane.put = put  # type: ignore[method-assign]
        await table.ended()
    assert await table.effects() == [("note", "x")]
    assert (await table.one("probe.note")).attempt == 2


async def test_a_drained_worker_finishes_what_runs_and_gives_back_the_rest(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    probe.gate = asyncio.Event()
    await probe.request(Note(value="running"))
    async with working(jobs) as worker:
        await probe.entered.wait()
        worker.relay.stop()
        await probe.request(Note(value="waiting"))
        asyncio.get_running_loop().call_later(0.3, probe.gate.set)
    assert await table.effects() == [("note", "running")]
    assert await table.states() == ["done", "queued"]


async def test_what_outlasts_the_drain_is_cancelled_and_given_back(
    jobs: Jobs, probe: ProbeService, table: Table
) -> None:
    probe.gate = asyncio.Event()
    await probe.request(Note(value="endless"))
    async with working(jobs) as worker:
        worker.drain_s = 0.1
        await probe.entered.wait()
    assert await table.effects() == []
    row = await table.one("probe.note")
    assert (row.state, row.failures) == ("queued", 0)


def test_pauses_double_up_to_an_hour_or_are_those_declared() -> None:
    assert [back_off(note, failures) for failures in (1, 5, 30)] == [2, 32, 3600]
    assert [back_off(patient, failures) for failures in (1, 2)] == [60, 600]
    assert patient.attempts == 3


def test_what_failed_together_does_not_return_together() -> None:
    pauses = {jittered(100) for _ in range(50)}
    assert len(pauses) > 1
    assert all(75 <= each <= 125 for each in pauses)


async def test_a_dead_letter_shows_no_parameters(jobs: Jobs) -> None:
    async with jobs.parts[Database].reader.connect() as connection:
        with pytest.raises(Exception, match="hunter2") as told:
            await connection.execute(text("select cast(:secret as int) + cast('x' as int)"), {"secret": "hunter2"})
    assert "hunter2" not in describe(told.value)
    assert describe(ValueError("first\nsecond")) == "ValueError: first"
    assert describe(ValueError("123456"), brief=True) == "ValueError"


async def _ready(relay: Relay) -> bool:
    return relay.lane.is_ready


async def _into_the_void(_: Sequence[str]) -> None:
    """As if Redis had lost it without a word."""

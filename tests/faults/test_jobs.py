"""Whatever is killed: every effect of every job exactly once."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from plaza.app.migrations import upgrade
from plaza.core.clock import SystemClock
from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.dev.embedded import EmbeddedServers
from tests.core.jobs import probe
from tests.core.jobs.conftest import Table
from tests.core.jobs.probe import Happened, Journey, Note, ProbeService
from tests.support.jobs import compose
from tests.support.waiting import eventually

from .conftest import StartWorker

CONTEXTS = [probe.__name__]


async def effects_reach(table: Table, count: int) -> None:
    async def check() -> bool:
        (row,) = await table.rows("select count(*) as effects from test_effect")
        return int(row.effects) >= count

    await eventually(check)


async def test_sigkill_of_workers(
    jobs: Jobs, table: Table, jobs_database_url: str, redis_url: str, start_worker: StartWorker
) -> None:
    service, subject = jobs.parts[ProbeService], uuid4()
    (await service.request(*(Note(value=f"free {n}") for n in range(200)))).unwrap()
    (await service.request(*(Note(value=f"line {n:02}") for n in range(15)), key="line")).unwrap()
    (await service.request(*(Journey(value=f"journey {n}") for n in range(40)))).unwrap()
    for n in range(10):
        (await service.announce(Happened(subject=subject, value=f"event {n}"))).unwrap()
    expected = 200 + 15 + 2 * 40 + 2 * 10

    workers = [start_worker(jobs_database_url, redis_url, CONTEXTS, pause_s=0.1) for _ in range(2)]
    for kill in range(4):
        await effects_reach(table, (kill + 1) * expected // 6)
        victim = workers[kill % 2]
        victim.kill()
        victim.start()
    await effects_reach(table, expected)
    await table.ended()

    effects = await table.effects()
    assert len(effects) == expected
    assert set(await table.states()) == {"done"}
    notes = [value for name, value in effects if name == "note"]
    assert len(notes) == len(set(notes)) == 215
    assert [value for value in notes if value.startswith("line")] == [f"line {n:02}" for n in range(15)]
    for handler in ("count", "tell"):
        assert [value for name, value in effects if name == handler] == [f"event {n}" for n in range(10)]
    started = sorted(value for name, value in effects if name == "started")
    assert started == sorted(f"journey {n}" for n in range(40)), "a retried flow did not repeat its first command"
    assert len({value for name, value in effects if name == "arrived"}) == 40
    calls = [row.value for row in await table.rows("select value from test_call")]
    assert set(calls) == set(started), "outside calls are made at least once"
    assert (await table.rows("select max(attempt) as most from core_job"))[0].most > 1, "the kills did hit"
    assert [await worker.terminate() for worker in workers] == [0, 0]


async def test_sigterm_drains(
    jobs: Jobs, table: Table, jobs_database_url: str, redis_url: str, start_worker: StartWorker
) -> None:
    (await jobs.parts[ProbeService].request(*(Note(value=str(n)) for n in range(30)))).unwrap()
    worker = start_worker(jobs_database_url, redis_url, CONTEXTS, pause_s=0.5)
    await table.reached("leased", 10)
    await effects_reach(table, 1)
    assert await worker.terminate() == 0
    states = await table.states()
    assert states.count("done") == len(await table.effects()) >= 10, "what ran was finished"
    assert states.count("queued") == 30 - states.count("done"), "what did not run is free for others at once"


async def test_sigkill_of_redis(
    jobs: Jobs, table: Table, jobs_database_url: str, own_servers: EmbeddedServers, start_worker: StartWorker
) -> None:
    """This Redis forgets everything when it is killed."""
    service = jobs.parts[ProbeService]
    worker = start_worker(jobs_database_url, own_servers.urls.redis_url, CONTEXTS, pause_s=0.1)
    (await service.request(*(Note(value=f"before {n}") for n in range(100)))).unwrap()
    for kill in range(2):
        await effects_reach(table, kill * 100 + 20)
        own_servers.valkey.kill()
        (await service.request(*(Note(value=f"while away {kill} {n}") for n in range(100)))).unwrap()
        await own_servers.valkey.start()
    await effects_reach(table, 300)
    await table.ended()
    assert set(await table.states()) == {"done"}
    values = [value for _, value in await table.effects()]
    assert len(values) == len(set(values)) == 300
    assert worker.is_running, "the same process, not one started again"
    assert await worker.terminate() == 0


async def test_sigkill_of_postgres(own_servers: EmbeddedServers, start_worker: StartWorker) -> None:
    database_url, redis_url = own_servers.urls
    await asyncio.to_thread(upgrade, database_url)
    jobs = compose(database_url, redis_url, SystemClock(), [probe.context])
    db, service = jobs.parts[Database], jobs.parts[ProbeService]
    await probe.empty_tables(db)
    table = Table(db)
    (await service.request(*(Note(value=str(n)) for n in range(200)))).unwrap()
    worker = start_worker(database_url, redis_url, CONTEXTS, pause_s=0.1)
    for kill in range(2):
        await effects_reach(table, 20 + kill * 60)
        own_servers.postgres.kill()
        await own_servers.postgres.start()
        await db.close()  # of our own connections none is left
    await effects_reach(table, 200)
    await table.ended()
    values = [value for _, value in await table.effects()]
    assert len(values) == len(set(values)) == 200
    assert worker.is_running
    assert await worker.terminate() == 0
    await db.close()

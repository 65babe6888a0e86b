"""Worker and services of a few contexts, without the rest of the program."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from plaza.core.clock import Clock
from plaza.core.composition import Context, Parts
from plaza.core.crypto import Vault
from plaza.core.db import Cursors, Database, Listener
from plaza.core.jobs import Jobs, JobSettings, JobWorker
from plaza.core.jobs.runner import Runner
from plaza.core.jobs.store import JobStore
from plaza.core.realtime import Hub, RealtimeSettings
from plaza.core.settings import PlazaSettings

# Short, so that what a killed worker held comes back soon.
LEASE_S = 2.0


def compose(
    database_url: str,
    redis_url: str,
    clock: Clock,
    contexts: Sequence[Context],
    given: Mapping[Any, Any] | None = None,
) -> Jobs:
    db, vault = Database(database_url), Vault("a secret of tests")
    standing = {
        Database: db,
        Listener: Listener(database_url),
        Clock: clock,
        Vault: vault,
        Cursors: Cursors(vault.key("cursors")),
        PlazaSettings: PlazaSettings(env="test", redis_url=redis_url, drain_s=30),
        Hub: Hub(Redis.from_url(redis_url), RealtimeSettings()),
        JobSettings: JobSettings(lease_s=LEASE_S, poll_s=0.2),
        **(given or {}),
    }
    jobs = Jobs(Parts.compose(standing, contexts))
    db.outbox = jobs.outbox
    return jobs


def runner_of(jobs: Jobs, store: JobStore) -> Runner:
    """What a worker does with one lease, for tests that play with leases themselves."""
    entries = jobs.registry.entries.values()
    services = {
        each.name: jobs.parts.arguments(each.handler.fn, skip=0 if each.message is None else 1) for each in entries
    }
    return Runner(store, store.clock, services)


@contextlib.asynccontextmanager
async def working(jobs: Jobs) -> AsyncIterator[JobWorker]:
    """A worker inside this process, drained at the end."""
    worker, stop = JobWorker(jobs), asyncio.Event()
    listening = asyncio.create_task(jobs.parts[Listener].run())
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

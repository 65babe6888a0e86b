from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from plaza.core.clock import SystemClock
from plaza.core.db import Database
from plaza.core.jobs import Jobs
from plaza.dev.embedded import EmbeddedServers, throwaway_servers
from tests.core.jobs import probe
from tests.core.jobs.conftest import Table
from tests.support.jobs import compose
from tests.support.servers import TestServers
from tests.support.worker_process import WorkerProcess

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture(scope="module")
async def jobs_database_url(servers: TestServers) -> str:
    return await servers.another_database("faults")


@pytest.fixture
def own_servers() -> Iterator[EmbeddedServers]:
    """A PostgreSQL and a Valkey that the test may kill."""
    with throwaway_servers() as servers:
        yield servers


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Starts worker processes and ends what is left of them."""
    started: list[WorkerProcess] = []

    def start(*args: Any, **kwargs: Any) -> WorkerProcess:
        worker = WorkerProcess(*args, **kwargs)
        started.append(worker)
        worker.start()
        return worker

    yield start
    for worker in started:
        worker.kill()


@pytest.fixture
async def jobs(jobs_database_url: str, redis_url: str) -> AsyncIterator[Jobs]:
    """The writing side: the probe's services, without a worker."""
    made = compose(jobs_database_url, redis_url, SystemClock(), [probe.context])
    await probe.empty_tables(made.parts[Database])
    yield made
    await made.parts[Database].close()


@pytest.fixture
def table(jobs: Jobs) -> Table:
    return Table(jobs.parts[Database])

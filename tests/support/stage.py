"""The whole program in one process: a real uvicorn on loopback, the worker beside it, business time in the test's hand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import httpx
from sqlalchemy import insert, select, text

from plaza.app.configuration import Configuration, load
from plaza.app.registry import metadata
from plaza.app.runtime import Runtime
from plaza.app.server import Server
from plaza.core.jobs import JobWorker
from plaza.core.jobs.crons import Crons
from plaza.core.jobs.store import JobStore
from plaza.core.settings import Environment
from tests.support.clock import ManualClock
from tests.support.logs import InternalErrors
from tests.support.tls import TLS
from tests.support.waiting import PATIENCE_S

T = TypeVar("T")

_FILES = TemporaryDirectory(prefix="plaza-storage-")  # gone with the process

# What outlives a test: keys are made once per database. What migrations put into tables is put back.
KEPT_TABLES = {"identity_signing_key"}
SEEDED_TABLES = ("identity_role", "identity_role_permission")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


class QuietServer(Server):
    """Leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


# Where a machine is slow or busy everything still happens, only later: what is refused for taking long is refused by tests of their own.
PATIENT = {
    "PLAZA_DATABASE_POOL_TIMEOUT_S": "60",
    "PLAZA_DATABASE_STATEMENT_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_LOCK_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_TRANSACTION_TIMEOUT_S": "60",
    "PLAZA_REQUEST_DEADLINE_S": "120",
    "PLAZA_IDENTITY_HASH_YIELDS": "false",
}


def configuration_for(database_url: str, redis_url: str, **variables: str) -> Configuration:
    given = {
        **PATIENT,
        "PLAZA_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PLAZA_RATE_LIMIT_ENABLED": "false",
        "PLAZA_STORAGE_URL": f"file://{_FILES.name}",
    }
    return load(Environment({**given, **variables}))


class Stage:
    """`port` 0 is any that is free; with one of its own, `PLAZA_PUBLIC_URL` can name it."""

    def __init__(
        self,
        database_url: str,
        redis_url: str,
        *,
        worker: bool = True,
        port: int = 0,
        clock: ManualClock | None = None,
        **variables: str,
    ) -> None:
        self.clock = clock or ManualClock()
        self.configuration = configuration_for(database_url, redis_url, **variables)
        self.runtime = Runtime(self.configuration, "api", clock=self.clock)
        self.internal_errors = InternalErrors()
        self._seeds: dict[str, list[dict[str, Any]]] = {}
        self._clients: list[httpx.AsyncClient] = []
        self._with_worker = worker
        self._worker: JobWorker | None = None
        self._stack = AsyncExitStack()
        self.port = port

    def __getitem__(self, part: type[T]) -> T:
        """A service or another part of the running API."""
        return self.runtime.parts[part]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self.internal_errors.install()
        self._stack.callback(self.internal_errors.remove)
        await self._start_server()
        if self._with_worker:
            await self._start_worker()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Closed when the test is over."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=PATIENCE_S, verify=TLS)
        self._clients.append(client)
        return client

    async def close_clients(self) -> None:
        while self._clients:
            await self._clients.pop().aclose()

    async def reset(self) -> None:
        """Empty tables, an empty Valkey, the present time."""
        self.clock.reset()
        self.internal_errors.clear()
        tables = [table.name for table in reversed(metadata.sorted_tables) if table.name not in KEPT_TABLES]
        await self._end_jobs()
        async with self.runtime.db.engine.begin() as connection:
            for table in SEEDED_TABLES:
                if table not in self._seeds:
                    rows = await connection.execute(select(metadata.tables[table]))
                    self._seeds[table] = [dict(row) for row in rows.mappings()]
            deletes = " ".join(f'delete from "{table}";' for table in tables)
            await connection.execute(text(f"do $$ begin {deletes} end $$"))  # in one round trip
            for table in SEEDED_TABLES:
                await connection.execute(insert(metadata.tables[table]), self._seeds[table])
        await self.runtime.redis.flushdb()

    async def write_crons_ahead(self) -> None:
        """Puts the next firing of each cron into the table, so that an advance of the clock makes it due. The worker did that once, and

        perhaps for a time that an earlier test's clock went on to.
        """
        store = JobStore(self.runtime.db, self.clock, lease_s=1)
        await Crons(store, self.runtime.jobs.registry.crons, self.clock, poll_s=1).write_ahead()

    async def _end_jobs(self) -> None:
        """What is queued goes, and what is under way comes to its end: a mail of this test must not arrive in the next one's outbox."""
        async with self.runtime.db.engine.begin() as connection:
            await connection.execute(text("lock table core_job in exclusive mode"))
            await connection.execute(text("do $$ begin delete from core_job_step; delete from core_job; end $$"))
        if self._worker is not None:
            await self._worker.relay.idle()

    def raise_internal_errors(self) -> None:
        """A 500, a lost task or a failed background is a bug of whatever test met it."""
        self.internal_errors.check()

    async def _start_server(self) -> None:
        # asyncio turns Nagle's algorithm off only where the socket says that it speaks TCP; with it every answer takes 40 ms.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        server = QuietServer(self.runtime)
        task = asyncio.create_task(server.serve(sockets=[listening]))

        async def stop() -> None:
            server.should_exit = True
            await task

        self._stack.push_async_callback(stop)
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)

    async def _start_worker(self) -> None:
        runtime = Runtime(self.configuration, "worker", clock=self.clock)
        # Business time stands still: what failed and waited for its next try would wait for ever.
        worker = self._worker = JobWorker(runtime.jobs, pause=lambda _: 0)
        await self._stack.enter_async_context(runtime.running("worker"))
        told_to_stop = asyncio.Event()
        task = asyncio.create_task(worker.run(told_to_stop))

        async def stop() -> None:
            told_to_stop.set()
            await task

        self._stack.push_async_callback(stop)

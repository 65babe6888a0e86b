"""arq, and all that Plaza knows of it: leased jobs go in, `run` is called for each.

Every process has a queue of its own in Redis, and a new one after each loss of Redis: nothing stale is ever started, and what Redis
lost is still leased in PostgreSQL. arq's worker ends when Redis goes; here it is made again until `run` is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from arq import ArqRedis, func
from arq.worker import Worker
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

# The safety net under the relay's wake-up call; the queue is private, so nobody else fills it.
_POLL_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class NotConnected(Exception):
    """Redis is away: keep the jobs where they are."""


class _Worker(Worker):
    """arq's worker, woken at once by who enqueued instead of finding out by polling."""

    woken: asyncio.Event

    async def main(self) -> None:
        while True:
            self.woken.clear()
            await self._poll_iteration()
            with contextlib.suppress(TimeoutError):
                # not wait_for: before Python 3.12 it swallows a cancellation that comes together with the wake-up
                async with asyncio.timeout(self.poll_delay_s):
                    await self.woken.wait()


class ArqLane:
    """`on_ready` is called whenever jobs can be enqueued (again), `on_lost` when what was enqueued but not started is gone."""

    def __init__(
        self,
        redis_url: str,
        start: Callable[[str], Awaitable[None]],
        *,
        slots: int,
        longest_job: timedelta,
        on_ready: Callable[[], None],
        on_lost: Callable[[], Awaitable[None]],
    ) -> None:
        self._url, self._start, self._slots = redis_url, start, slots
        self._timeout_s = longest_job.total_seconds() + 60
        self._on_ready, self._on_lost = on_ready, on_lost
        self._worker: _Worker | None = None
        self._orphans: set[asyncio.Task[Any]] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def is_ready(self) -> bool:
        return self._worker is not None

    async def put(self, keys: Sequence[str]) -> None:
        """Raises NotConnected; then some may be started all the same."""
        if (worker := self._worker) is None:
            raise NotConnected
        try:
            for key in keys:
                await worker.pool.enqueue_job("job", key, _job_id=key, _expires=timedelta(seconds=self._timeout_s))
            await worker.pool.expire(worker.queue_name, timedelta(hours=1))  # left behind by a killed process
        except (RedisError, OSError) as error:
            raise NotConnected from error
        worker.woken.set()

    async def abandon(self) -> None:
        """After `run` was cancelled: cancels the jobs that still run."""
        for task in self._orphans:
            task.cancel()
        await asyncio.gather(*self._closing)

    async def run(self) -> None:
        """Until cancelled; what was started goes on all the same."""
        pause = _FIRST_PAUSE_S
        while True:
            pool = BlockingConnectionPool.from_url(
                self._url, max_connections=10, timeout=10, socket_timeout=5, socket_connect_timeout=2
            )
            try:
                worker = self._make(pool)
                await worker.pool.ping()
                self._worker, pause = worker, _FIRST_PAUSE_S
                self._on_ready()
                await worker.main()
            except (RedisError, OSError) as error:
                log.warning("redis_lost", error=repr(error))
            finally:
                await self._leave(pool)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _make(self, pool: Any) -> _Worker:
        queue = f"plaza:jobs:{uuid4().hex}"
        redis = ArqRedis(pool, _encode, msgspec.json.decode, queue)
        worker = _Worker(
            [func(self._job, name="job", timeout=self._timeout_s)],  # type: ignore[arg-type] # wants a __qualname__: it has one
            queue_name=queue,
            redis_pool=redis,
            handle_signals=False,
            max_jobs=self._slots * 2 + 10,  # the relay counts; this only must never be the narrower limit
            keep_result=0,
            retry_jobs=False,
            poll_delay=_POLL_S,
            health_check_interval=60,
            job_serializer=_encode,
            job_deserializer=msgspec.json.decode,
        )
        worker.woken = asyncio.Event()
        return worker

    async def _job(self, _: dict[Any, Any], *args: Any, **__: Any) -> None:
        await self._start(args[0])

    async def _leave(self, pool: BlockingConnectionPool) -> None:
        """Running jobs go on: they need PostgreSQL, not Redis. What arq then wants to tell Redis is not of interest."""
        worker, self._worker = self._worker, None
        running = list(worker.tasks.values()) if worker is not None else []
        self._orphans.update(running)
        closing = asyncio.create_task(self._close(running, pool))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await self._on_lost()

    async def _close(self, running: Sequence[asyncio.Task[Any]], pool: BlockingConnectionPool) -> None:
        await asyncio.gather(*running, return_exceptions=True)
        self._orphans.difference_update(running)
        with contextlib.suppress(RedisError, OSError):
            await pool.aclose()


def _encode(value: Any) -> bytes:
    """Not pickle: whoever can write to Redis must not be able to run code here."""
    return msgspec.json.encode(value, enc_hook=repr)

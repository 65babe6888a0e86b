"""The worker's engine: relay, renewal, crons and gauges around arq, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection

import structlog

from plaza.core.clock import Clock
from plaza.core.composition import Parts
from plaza.core.db import Database, Listener, is_lost_server
from plaza.core.jobs.crons import Crons
from plaza.core.jobs.manifest import context as core
from plaza.core.jobs.outbox import CHANNEL, JobOutbox
from plaza.core.jobs.registry import Registry
from plaza.core.jobs.relay import Relay
from plaza.core.jobs.runner import Runner, jittered
from plaza.core.jobs.service import JobService
from plaza.core.jobs.settings import JobSettings
from plaza.core.jobs.store import JobStore
from plaza.core.personal_data import PersonalDataHolders
from plaza.core.settings import PlazaSettings
from plaza.core.telemetry.metrics import JOBS_DEAD, JOBS_WAITING

log = structlog.get_logger(__name__)

_COUNTED_EVERY_S = 15
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Jobs:
    """What every process knows of jobs: who handles what, and how they are written. `outbox` belongs to the `Database`."""

    def __init__(self, parts: Parts) -> None:
        parts[PersonalDataHolders].add_lowest("core", parts.one(JobService))
        self.parts = parts
        self.registry = Registry([core, *parts.contexts])
        self.outbox = JobOutbox(self.registry, parts[Clock])


class JobWorker:
    """Made before the process' `Listener` runs. `queues` None means all. `pause`: see `Runner`."""

    def __init__(
        self, jobs: Jobs, *, queues: Collection[str] | None = None, pause: Callable[[float], float] = jittered
    ) -> None:
        parts, registry = jobs.parts, jobs.registry
        settings, clock = parts[JobSettings], parts[Clock]
        entries = [each for each in registry.entries.values() if queues is None or each.handler.queue in queues]
        services = {
            each.name: parts.arguments(each.handler.fn, skip=0 if each.message is None else 1) for each in entries
        }
        self.drain_s = parts[PlazaSettings].drain_s
        self.store = JobStore(parts[Database], clock, settings.lease_s)
        self.relay = Relay(
            self.store,
            parts[PlazaSettings].redis_url,
            {
                queue: [each for each in entries if each.handler.queue == queue]
                for queue in registry.queues
                if queues is None or queue in queues
            },
            Runner(self.store, clock, services, pause).run,
            concurrency=settings.concurrency,
            poll_s=settings.poll_s,
        )
        self.crons = Crons(self.store, registry.crons, clock, poll_s=settings.poll_s)
        parts[Listener].on(CHANNEL, lambda _: self.relay.wake(), on_connect=self._woken)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Until `stop` is set, or, where none is given, until SIGTERM or SIGINT; then drains for at most PLAZA_DRAIN_S."""
        stop = stop or _stopped_by_signals()
        lane, relaying = _kept(self.relay.lane.run), _kept(self.relay.run)
        others = [_kept(self.relay.renew), _kept(self.crons.run), _kept(self._keep_counting)]
        log.info("worker_started", queues=list(self.relay.entries))
        try:
            await stop.wait()
            self.relay.stop()
            await relaying
            await self.relay.drain(self.drain_s)
        finally:
            pending = {lane, relaying, *others}
            while pending:  # redis-py loses a cancellation that meets the end of a command: it is asked again
                for task in pending:
                    task.cancel()
                _, pending = await asyncio.wait(pending, timeout=1)
            await self.relay.lane.abandon()
            await self.relay.release_all()
        log.info("worker_stopped")

    async def _woken(self) -> None:
        self.relay.wake()

    async def count(self) -> None:
        """Sets the gauges of what waits and what is dead."""
        counts = {queue: (waiting, dead) for queue, waiting, dead in await self.store.counts()}
        for queue in {*self.relay.entries, *counts}:
            waiting, dead = counts.get(queue, (0, 0))
            JOBS_WAITING.labels(queue).set(waiting)
            JOBS_DEAD.labels(queue).set(dead)

    async def _keep_counting(self) -> None:
        while True:
            await self.count()
            await asyncio.sleep(_COUNTED_EVERY_S)


def _kept(run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """`run` again, with back-off, whenever it breaks: a lost server ends nothing."""

    async def keep() -> None:
        pause = _FIRST_PAUSE_S
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await run()
                return
            except Exception as error:
                if is_lost_server(error):
                    log.warning("server_lost", error=repr(error))
                else:
                    log.exception("worker_part_failed", part=run.__qualname__)
            if asyncio.get_running_loop().time() - started > _LONGEST_PAUSE_S:
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    return asyncio.create_task(keep())


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop

"""From `core_job` to the workers of this process: leases what they can start now, renews what they run, releases what they cannot."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from plaza.core.jobs.lane import ArqLane, NotConnected
from plaza.core.jobs.registry import Entry
from plaza.core.jobs.store import JobStore, Lease

log = structlog.get_logger(__name__)


class Relay:
    """`run` and `renew` last as long as the process. `work` is what is done with a started lease."""

    def __init__(
        self,
        store: JobStore,
        redis_url: str,
        entries: Mapping[str, Sequence[Entry]],
        work: Callable[[Lease], Awaitable[object]],
        *,
        concurrency: int,
        poll_s: float,
    ) -> None:
        """`entries` are the handlers of each queue."""
        self.store, self.entries, self.concurrency, self.poll_s = store, entries, concurrency, poll_s
        self._work = work
        self._leases: dict[str, Lease] = {}
        self._woken, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._worth_a_look: set[str] = set()
        every = [entry.handler.timeout for each in entries.values() for entry in each]
        self.lane = ArqLane(
            redis_url,
            self._started,
            slots=concurrency * max(len(entries), 1),
            longest_job=max(every, default=timedelta()),
            on_ready=self.wake,
            on_lost=self._release_unstarted,
        )

    def wake(self, queue: str | None = None) -> None:
        """There may be something to lease, in this queue or in any."""
        self._worth_a_look.update(self.entries if queue is None else [queue])
        self._woken.set()

    async def run(self) -> None:
        """Until `stop`."""
        polled = 0.0
        while not self._stopping:
            self._woken.clear()
            if time.monotonic() >= polled + self.poll_s:
                polled = time.monotonic()
                await self._poll()
            while self.lane.is_ready and self._worth_a_look:
                await self._fill(self._worth_a_look.pop())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.poll_s):
                    await self._woken.wait()

    async def renew(self) -> None:
        """Only what was started: a job that Redis lost must not be held for ever."""
        while True:
            await asyncio.sleep(self.store.lease_s / 4)
            if running := [lease for lease in self._leases.values() if lease.started]:
                await self.store.renew(running)

    def stop(self) -> None:
        """Leases nothing more; `run` returns."""
        self._stopping = True
        self.wake()

    async def drain(self, limit_s: float) -> None:
        """After `run`: gives back what was not started and waits for what was."""
        await self._release_unstarted()
        try:
            async with asyncio.timeout(limit_s):
                await self.idle()
        except TimeoutError:
            log.warning("drain_cut_short", jobs=sorted(lease.entry.name for lease in self._leases.values()))

    async def idle(self) -> None:
        """Until nothing that was leased is under way."""
        await self._idle.wait()

    async def release_all(self) -> None:
        """Once nothing runs any more."""
        await self._release(list(self._leases.values()))

    async def _poll(self) -> None:
        """What no wake-up tells: leases that ran out, retries and jobs whose time has come."""
        await self._release_stale()
        await self.store.take_back()
        self._worth_a_look.update(self.entries)

    async def _fill(self, queue: str) -> None:
        taken = Counter(lease.entry.handler.queue for lease in self._leases.values())
        free = self.concurrency - taken[queue]
        if free <= 0 or self._stopping:
            return
        leases = await self.store.lease(queue, self.entries[queue], free)
        if not leases:
            return
        self._leases.update((lease.key, lease) for lease in leases)
        self._idle.clear()
        try:
            await self.lane.put([lease.key for lease in leases])
        except NotConnected:
            await self._release_unstarted()

    async def _started(self, key: str) -> None:
        """arq starts a job. One that this process does not hold, or has started already, is none of ours."""
        lease = self._leases.get(key)
        if lease is None or lease.started:
            log.info("job_not_ours", key=key)
            return
        lease.started = True
        try:
            await self._work(lease)
        except asyncio.CancelledError:
            lease.started = False  # `release_all` gives it back
            raise
        self._drop(lease)

    async def _release_stale(self) -> None:
        """What was leased and then not started in time was lost on its way through Redis."""
        oldest = time.monotonic() - self.store.lease_s
        await self._release([each for each in self._leases.values() if not each.started and each.taken_at < oldest])

    async def _release_unstarted(self) -> None:
        await self._release([lease for lease in self._leases.values() if not lease.started])

    async def _release(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            self._drop(lease)
        if not leases:
            return
        try:
            await self.store.release(leases)
        except Exception as error:  # they run out by themselves
            log.warning("leases_not_released", error=repr(error))

    def _drop(self, lease: Lease) -> None:
        self._leases.pop(lease.key, None)
        if not self._leases:
            self._idle.set()
        self.wake(lease.entry.handler.queue)

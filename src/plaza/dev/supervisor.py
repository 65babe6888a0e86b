"""Keeps children running: what dies is started again with back-off while the rest goes on; what cannot even start is given up."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

from plaza.dev.processes import Hurry, ManagedProcess, StartFailed, describe_exit

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 4.0
STEADY_S = 10.0  # whoever ran that long starts again without a delay
ATTEMPTS = 5


class Supervisor:
    """`tell` gets a line for people; `give_up` is called for a child that failed to start five times in a row, or cannot at all."""

    def __init__(self, tell: Callable[[str], None], give_up: Callable[[Exception], None]) -> None:
        self._tell, self._give_up = tell, give_up
        self._groups: list[tuple[ManagedProcess, ...]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, *group: ManagedProcess) -> None:
        """Returns when all of the group serve. Never returns for one that is given up."""
        self._groups.append(group)
        started = [asyncio.Event() for _ in group]
        self._keepers += [asyncio.create_task(self._keep(*each)) for each in zip(group, started, strict=True)]
        for event in started:
            await event.wait()

    async def stop(self, hurry: Hurry) -> None:
        """Groups in the reverse order of their start, the members of one together."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for group in reversed(self._groups):
            await asyncio.gather(*(self._stop(process, hurry) for process in group))

    async def _stop(self, process: ManagedProcess, hurry: Hurry) -> None:
        if await process.stop(hurry) == signal.SIGKILL:
            self._tell(f"{process.name} had to be killed")

    async def _keep(self, process: ManagedProcess, started: asyncio.Event) -> None:
        delay, failures = FIRST_DELAY_S, 0
        while True:
            began = time.monotonic()
            try:
                await process.start()
                failures = 0
                started.set()
                reason = f"{process.name} ended ({describe_exit(await process.exited())})"
            except StartFailed as error:
                failures += 1
                if failures == ATTEMPTS:
                    self._give_up(error)
                    return
                reason = str(error).splitlines()[0]
            except Exception as error:
                self._give_up(error)  # trying again would not help
                return
            if time.monotonic() - began > STEADY_S:
                delay = FIRST_DELAY_S
            self._tell(f"{reason}: starting it again in {delay:.1f} s")
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY_S)

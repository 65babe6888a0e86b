"""How long to wait before the next try: longer each time, never exactly as long as others who lost the same server."""

from __future__ import annotations

import asyncio
import random
import time

from plaza.client.errors import PlazaError

_FIRST_S, _LONGEST_S = 0.1, 10.0


class Backoff:
    """`patience_s` bounds all of the waiting; without it there is no end."""

    def __init__(self, patience_s: float | None = None) -> None:
        self._ends_at = None if patience_s is None else time.monotonic() + patience_s
        self._step = _FIRST_S

    def next_s(self, at_least_s: float = 0) -> float:
        step, self._step = self._step, min(2 * self._step, _LONGEST_S)
        return at_least_s + step * random.uniform(0.5, 1)  # noqa: S311 - jitter

    async def wait(self, error: PlazaError) -> None:
        """At least as long as the error says. Raises it where that is longer than there is patience."""
        pause = self.next_s(error.retry_after or 0)
        if self._ends_at is not None and time.monotonic() + pause > self._ends_at:
            raise error
        await asyncio.sleep(pause)

    def reset(self) -> None:
        self._step = _FIRST_S

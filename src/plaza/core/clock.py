"""Business time. Services ask the clock they were given and pass the answer on as a parameter; SQL `now()` is for leases only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """An aware time in UTC whose microsecond is never 0: JSON encoders then spell six digits every time, as the API promises."""
        ...


def spelled_in_full(moment: datetime) -> datetime:
    """A whole second becomes its first microsecond."""
    return moment if moment.microsecond else moment.replace(microsecond=1)


class SystemClock:
    def now(self) -> datetime:
        return spelled_in_full(datetime.now(UTC))

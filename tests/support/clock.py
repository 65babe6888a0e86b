from __future__ import annotations

from datetime import UTC, datetime, timedelta

from plaza.core.clock import spelled_in_full


class ManualClock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return spelled_in_full(self._now)

    def advance(self, by: timedelta) -> None:
        self._now += by

    def reset(self) -> None:
        self._now = datetime.now(UTC)

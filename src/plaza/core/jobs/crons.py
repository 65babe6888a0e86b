"""Firings of crons, written ahead: the next one of each stands in `core_job` before its time comes.

Every worker writes them, under an id made of name and time, so that one row stands however many workers run. A firing whose time came
while no worker ran is still there for the next one; those that would have followed it meanwhile are not made up for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from plaza.core.clock import Clock
from plaza.core.jobs.registry import Entry
from plaza.core.jobs.store import JobStore

_NAMESPACE = UUID("5a3ce0de-5f0b-4d0c-9a53-0d5b7cf7b5aa")


class Crons:
    def __init__(self, store: JobStore, entries: Sequence[Entry], clock: Clock, *, poll_s: float) -> None:
        self.store, self.entries, self.clock, self.poll_s = store, entries, clock, poll_s
        self._next: dict[str, datetime] = {}

    async def run(self) -> None:
        while True:
            await self.write_ahead()
            await asyncio.sleep(self.poll_s)

    async def write_ahead(self) -> None:
        now = self.clock.now()
        for entry in self.entries:
            schedule = entry.handler.schedule
            if schedule is None or now < self._next.get(entry.name, now):
                continue
            at = schedule.after(now)
            await self.store.fire(firing_id(entry.name, at), entry, at)
            self._next[entry.name] = at


def firing_id(name: str, at: datetime) -> UUID:
    return uuid5(_NAMESPACE, f"{name} {at.isoformat()}")

"""What an idle socket costs: memory of the API process before and after many were opened. `make bench ARGS=idle`."""

from __future__ import annotations

import asyncio
import statistics

from bench.crowd import Crowd
from bench.environment import Environment, Group
from bench.sockets import run
from bench.usage import memory_kib

HEAD = "| idle sockets | before | with them | each | aim |\n|---|---|---|---|---|"
SETTLE_S = 5  # until presence has told Redis of everybody
FIRST = 20  # sockets that warm the process up
TIMES = 10  # sockets of one person, the most that there may be


def idle(environment: Environment, group: Group, rounds: int) -> str:
    """A new process each time: one that had many sockets keeps some of their memory for the next ones."""
    taken = []
    for _ in range(rounds):
        with environment.api() as fresh:
            taken.append(run(_opened(fresh, group)))
    before, after, each = (statistics.median(column) for column in zip(*taken, strict=True))
    count = TIMES * len(group.people)
    return f"| {count:,} | {before / 1024:,.0f} MiB | {after / 1024:,.0f} MiB | {each:.1f} KiB | 40 KiB |"


async def _opened(environment: Environment, group: Group) -> tuple[int, int, float]:
    crowd, pid = Crowd(), environment.pids["API"]
    await crowd.join(environment.api_port, "/ws", group.people[:FIRST])
    await asyncio.sleep(SETTLE_S)
    before = memory_kib(pid)
    await crowd.join(environment.api_port, "/ws", (group.people * TIMES)[FIRST:])
    await asyncio.sleep(SETTLE_S)
    after = memory_kib(pid)
    await crowd.leave()
    return before, after, (after - before) / (len(crowd.lines) - FIRST)

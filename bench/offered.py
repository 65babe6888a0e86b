"""An open-loop load: requests begin on time, whether earlier ones were answered or not, as a crowd does it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import HEAD_END, length_of

MOST_CONNECTIONS = 5_000


@dataclass
class Offered:
    """`latencies` in seconds, of answers in the 200s. `unannounced` are 429s that did not say when to come back."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    unannounced: int = 0
    late: int = 0

    def per_second(self, status: int) -> float:
        return self.statuses[status] / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        head = await self.reader.readuntil(HEAD_END)
        await self.reader.readexactly(length_of(head.lower()))
        return int(head[9:12]), head


async def offer(port: int, make: Callable[[], bytes], *, per_second: float, seconds: float) -> Offered:
    """Loopback only. A request that finds no connection free gets one of its own."""
    told, free, open_lines = Offered(seconds), list[_Line](), 0

    async def one(request: bytes, due: float) -> None:
        nonlocal open_lines
        if free:
            line = free.pop()
        else:
            open_lines += 1
            if open_lines > MOST_CONNECTIONS:
                raise RuntimeError("the crowd does not fit: answers take too long")
            line = _Line(*await asyncio.open_connection("127.0.0.1", port))
        status, head = await line.ask(request)
        free.append(line)
        told.statuses[status] += 1
        if 200 <= status < 300:
            told.latencies.append(time.perf_counter() - due)
        elif status == 429 and b"\r\nretry-after:" not in head.lower():
            told.unannounced += 1

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n in range(int(per_second * seconds)):
            due = begun + n / per_second
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            group.create_task(one(make(), due))
    for line in free:
        line.writer.close()
    told.seconds = time.perf_counter() - begun
    return told

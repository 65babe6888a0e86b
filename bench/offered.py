"""An open-loop load: requests begin on time, whether earlier ones were answered or not, as a crowd does it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

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


class _Crowd:
    """Connections that wait for an answer each, and those that are free."""

    def __init__(self, told: Offered) -> None:
        self.told, self.free, self.open = told, list[_Line](), 0
        self.waiting, self.answered = 0, asyncio.Event()
        self.is_broken = False

    def ask(self, line: _Line, request: bytes, due: float) -> None:
        self.waiting += 1
        self.answered.clear()
        line.ask(request, due)

    def take(self, line: _Line, head: bytes) -> None:
        told, status = self.told, int(head[9:12])
        told.statuses[status] += 1
        if 200 <= status < 300:
            told.latencies.append(time.perf_counter() - line.due)
        elif status == 429 and b"\r\nretry-after:" not in head.lower():
            told.unannounced += 1
        self.free.append(line)
        self.waiting -= 1
        if not self.waiting:
            self.answered.set()


class _Line(asyncio.Protocol):
    """A task a request would cost the machine as much as an answer does."""

    def __init__(self, crowd: _Crowd) -> None:
        self.crowd, self.buffer, self.due = crowd, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(HEAD_END)
        if end < 0 or len(self.buffer) < end + len(HEAD_END) + length_of(self.buffer[:end].lower()):
            return
        head, self.buffer = self.buffer[:end], b""
        self.crowd.take(self, head)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.crowd.free:  # long enough for the server to end it
            self.crowd.free.remove(self)
        else:
            self.crowd.is_broken = True
            self.crowd.answered.set()


async def offer(port: int, make: Callable[[], bytes], *, per_second: float, seconds: float) -> Offered:
    """Loopback only. A request that finds no connection free gets one of its own."""
    told, loop = Offered(seconds), asyncio.get_running_loop()
    crowd = _Crowd(told)

    async def on_a_new_line(request: bytes, due: float) -> None:
        crowd.open += 1
        if crowd.open > MOST_CONNECTIONS:
            raise RuntimeError("the crowd does not fit: answers take too long")
        _, line = await loop.create_connection(lambda: _Line(crowd), "127.0.0.1", port)
        crowd.ask(line, request, due)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n in range(int(per_second * seconds)):
            due = begun + n / per_second
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if crowd.free:
                crowd.ask(crowd.free.pop(), make(), due)
            else:
                group.create_task(on_a_new_line(make(), due))
    await crowd.answered.wait()
    if crowd.is_broken:
        raise RuntimeError("a connection ended before its answer")
    told.seconds = time.perf_counter() - begun
    for line in crowd.free:
        line.transport.close()
    return told

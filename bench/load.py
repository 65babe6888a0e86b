"""A closed-loop HTTP/1.1 load generator: prebuilt requests, keep-alive connections, no parsing beyond the length of the answer."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "


@dataclass
class Outcome:
    """`latencies` in seconds, of answers that began after the warm-up."""

    seconds: float = 0
    answers: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.answers / self.seconds

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Chain(ABC):
    """A source of requests of which each depends on the answer to the one before."""

    @abstractmethod
    def __call__(self) -> bytes:
        """The next request."""

    @abstractmethod
    def take(self, answer: bytes) -> None:
        """Head and body."""


class _Connection(asyncio.Protocol):
    def __init__(self, request: Callable[[], bytes], outcome: Outcome, clock: Callable[[], bool]) -> None:
        self.request, self.outcome, self.counting = request, outcome, clock
        self.buffer = b""
        self.started = 0.0
        self.stopped = asyncio.get_running_loop().create_future()
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.send()

    def send(self) -> None:
        self.started = time.perf_counter()
        self.transport.write(self.request())

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head = self.buffer.find(HEAD_END)
        if head < 0:
            return
        length = length_of(self.buffer[:head].lower())
        if len(self.buffer) < head + 4 + length:
            return
        if self.counting():
            if self.buffer[9:10] == b"2":
                self.outcome.answers += 1
                self.outcome.latencies.append(time.perf_counter() - self.started)
            else:
                self.outcome.refused += 1
        if isinstance(self.request, Chain):
            self.request.take(self.buffer)
        self.buffer = b""
        if self.stopping:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)


def length_of(head: bytes) -> int:
    """Of the body; `head` in lower case."""
    at = head.find(LENGTH)
    if at < 0:
        raise RuntimeError(f"an answer without a length: {head!r}")
    return int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])


def _given(connection: _Connection) -> _Connection:
    return connection


async def press(
    port: int,
    requests: Callable[[int], Callable[[], bytes]],
    *,
    connections: int = 32,
    seconds: float = 4,
    warm_up: float = 1,
) -> Outcome:
    """`requests(n)` makes the n-th connection's source of requests. Loopback only."""
    loop, outcome, counting = asyncio.get_running_loop(), Outcome(), False
    made = []
    for n in range(connections):
        connection = _Connection(requests(n), outcome, lambda: counting)
        await loop.create_connection(partial(_given, connection), "127.0.0.1", port)
        made.append(connection)
    await asyncio.sleep(warm_up)
    counting, started = True, time.perf_counter()
    await asyncio.sleep(seconds)
    counting, outcome.seconds = False, time.perf_counter() - started
    for connection in made:
        connection.stopping = True
    await asyncio.wait_for(asyncio.gather(*(connection.stopped for connection in made)), 30)
    return outcome


def request(method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}{content}\r\n".encode() + body

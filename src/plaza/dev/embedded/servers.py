"""Both servers together, and the blocking way in for tests, benchmarks and tools, which supervise nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from plaza.dev.embedded.postgres import Postgres
from plaza.dev.embedded.server import Server
from plaza.dev.embedded.valkey import Valkey

S = TypeVar("S", bound=Server)


class ServerUrls(NamedTuple):
    database_url: str
    redis_url: str


class EmbeddedServers:
    """PostgreSQL and Valkey with everything of theirs (data, locks, logs, sockets) under `folder`.

    `start` and `stop` block and belong to the main thread, outside of an event loop; within one, `await servers.postgres.start()` and
    so on. A fault test kills (`servers.valkey.kill()`) and starts again the same way: URLs stay as they are.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.postgres, self.valkey = Postgres(folder, durable=durable), Valkey(folder, durable=durable)
        self.urls = ServerUrls(self.postgres.url, self.valkey.url)

    def start(self) -> ServerUrls:
        """Raises StartFailed or ServersUnavailable, both with a message for people."""
        try:
            asyncio.run(_both(self.postgres.start(), self.valkey.start()))
        except BaseException:
            self.stop()
            raise
        return self.urls

    def stop(self) -> None:
        asyncio.run(_both(self.valkey.stop(), self.postgres.stop()))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def running(server: S) -> Iterator[S]:
    """One server for the time of a block, outside of an event loop: `with running(Valkey(folder, durable=False)) as valkey`."""
    try:
        asyncio.run(server.start())
        yield server
    finally:
        asyncio.run(server.stop())


async def _both(one: Awaitable[object], other: Awaitable[object]) -> None:
    await asyncio.gather(one, other)

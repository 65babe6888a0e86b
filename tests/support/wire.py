"""What lies between a client and Plaza: a line that can be cut, go dead, lose an answer, or lead to whoever serves."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)

Ends = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Wire:
    """A TCP relay to the first of `ports` that takes a connection. `answers_to_lose` counts down: their connections are cut instead."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.is_open = True
        self.answers_to_lose = 0
        self._server: asyncio.Server | None = None
        self._relays: dict[asyncio.Task[None], Ends | None] = {}
        self._dead: set[Ends] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        if self._relays:
            await asyncio.wait(self._relays)

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """All connections, with a reset."""
        for ends in filter(None, self._relays.values()):
            _reset(ends)

    def kill_silently(self) -> None:
        """Those that are open carry nothing more, and nobody is told."""
        self._dead.update(filter(None, self._relays.values()))

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._relay(reader, writer))
        self._relays[task] = None
        task.add_done_callback(self._relays.pop)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self.ports if self.is_open else ():
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.transport.abort()
            return
        ends = (writer, far_writer)
        task = asyncio.current_task()
        assert task is not None
        self._relays[task] = ends
        await asyncio.gather(
            self._carry(reader, far_writer, ends), self._carry(far_reader, writer, ends, is_answer=True)
        )
        self._dead.discard(ends)

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, ends: Ends, *, is_answer: bool = False
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if is_answer and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    _reset(ends)
                    return
                if ends not in self._dead:
                    target.write(data)
                    await target.drain()
        target.close()


def _reset(ends: Ends) -> None:
    for writer in ends:
        if not writer.is_closing():
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            writer.transport.abort()

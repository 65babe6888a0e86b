"""uvicorn's HTTP with one write for an answer instead of two, and an end for those who do not take theirs.

The head waits for the body that is given right behind it: a write is a system call, and a sixth of what an ordinary answer costs the
process. A connection that is closed stays until its peer has taken what was written, and so for ever where the peer takes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


class JoinedHttp(HttpToolsProtocol):
    STALLED_S: ClassVar[float] = 60
    """Whoever takes nothing of what waits for him for so long is cut off."""

    _watch: asyncio.TimerHandle | None = None

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            transport: Any = Joined(self.transport, self._watch_peer)  # what a cycle needs of one
            self.cycle.transport = transport

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_peer()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._unwatch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._watch_peer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch_peer(self) -> None:
        if self._watch is None and (waiting := self.transport.get_write_buffer_size()):
            self._watch = self.loop.call_later(self.STALLED_S, self._look, waiting)

    def _look(self, before: int) -> None:
        self._watch = None
        if self.transport.get_write_buffer_size() < before:
            self._watch_peer()
        else:
            self.transport.abort()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class Joined:
    """The transport of one answer. A head behind which nothing comes at once goes out by itself with the next turn of the loop."""

    __slots__ = ("_had_head", "_head", "_on_close", "_transport")

    def __init__(self, transport: asyncio.Transport, on_close: Callable[[], None]) -> None:
        self._transport, self._on_close = transport, on_close
        self._head = b""
        self._had_head = False

    def write(self, data: bytes) -> None:
        if not self._had_head and data.startswith(_HEAD) and not data.startswith(_INTERIM):
            self._had_head, self._head = True, data
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()
        self._on_close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

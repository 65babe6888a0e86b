"""uvicorn's HTTP with one write for an answer instead of two: the head waits for the body that is given right behind it.

A write is a system call, and a sixth of what an ordinary answer costs the process.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD, _INTERIM = b"HTTP/1.1 ", b"HTTP/1.1 1"


class JoinedHttp(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            transport: Any = Joined(self.transport)  # what a cycle needs of one
            self.cycle.transport = transport


class Joined:
    """The transport of one answer. A head behind which nothing comes at once goes out by itself with the next turn of the loop."""

    __slots__ = ("_had_head", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
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

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

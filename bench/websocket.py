"""The least that either end of a WebSocket can be: text frames, a callback with each payload, a masking key of zeros (which masks nothing).

`Line` is a client; `Framed` reads frames for whoever inherits from it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from collections.abc import Callable
from typing import cast

HEAD_END = b"\r\n\r\n"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
_LONGEST_SHORT, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127
_MASKED = 0x80


def framed(payload: bytes, kind: int = TEXT, *, masked: bool = False) -> bytes:
    size, mask, key = len(payload), _MASKED if masked else 0, bytes(4) if masked else b""
    if size <= _LONGEST_SHORT:
        head = bytes((0x80 | kind, mask | size))
    elif size < 1 << 16:
        head = bytes((0x80 | kind, mask | _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | kind, mask | _EIGHT_BYTES)) + size.to_bytes(8, "big")
    return head + key + payload


class Framed(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.rest = b""
        self.is_upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def upgraded(self, head: bytes) -> None:
        """The other end's half of the handshake."""
        raise NotImplementedError

    def took(self, payload: bytes) -> None:
        raise NotImplementedError

    def told(self, kind: int, payload: bytes) -> None:
        """A control frame."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        if not self.is_upgraded:
            head, end, data = data.partition(HEAD_END)
            if not end:
                self.rest = head
                return
            self.is_upgraded = True
            self.upgraded(head)
        at, end_at = 0, len(data)
        while end_at - at >= 2:
            size, start = data[at + 1], at + 2
            masked, size = size & _MASKED, size & 0x7F
            if size == _TWO_BYTES:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif size == _EIGHT_BYTES:
                size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if masked:
                start += 4
            if end_at < start + size:
                break
            kind, payload = data[at] & 15, data[start : start + size]
            if kind == TEXT:
                self.took(payload)
            else:
                self.told(kind, payload)
            at = start + size
        self.rest = data[at:]


class Line(Framed):
    """`hear` gets each payload. `closed` is set to the close code, or to 0 for a line that broke."""

    def __init__(self, hear: Callable[[bytes], None], request: bytes) -> None:
        super().__init__()
        self.hear, self.request = hear, request
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[int] = loop.create_future()
        self.code = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self.request)

    def upgraded(self, head: bytes) -> None:
        if head.split(b" ", 2)[1] == b"101":
            self.opened.set_result(None)
        else:
            self.opened.set_exception(RuntimeError(f"no WebSocket: {head[:200]!r}"))

    def took(self, payload: bytes) -> None:
        self.hear(payload)

    def told(self, kind: int, payload: bytes) -> None:
        if kind == PING:
            self.transport.write(framed(payload, PONG, masked=True))
        elif kind == CLOSE:
            self.code = int.from_bytes(payload[:2], "big")
            self.transport.write(framed(payload[:2], CLOSE, masked=True))
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("refused"))
        self.closed.set_result(self.code)

    def say(self, payload: bytes) -> None:
        self.transport.write(framed(payload, masked=True))


async def dial(
    port: int, path: str, hear: Callable[[bytes], None], *, token: str = "", receive_buffer: int | None = None
) -> Line:
    """Open, whatever the server says first. Loopback only. `receive_buffer` in bytes, for a reader that is to hold little."""
    key = base64.b64encode(os.urandom(16)).decode()
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{authorization}\r\n"
    )
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setblocking(False)
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(made, ("127.0.0.1", port))
    _, line = await loop.create_connection(lambda: Line(hear, request.encode()), sock=made)
    await line.opened
    return line


async def hung_up(*lines: Line) -> None:
    for line in lines:
        line.transport.close()
    await asyncio.gather(*(line.closed for line in lines))

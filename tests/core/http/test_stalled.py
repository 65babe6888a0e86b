"""A peer that never reads keeps neither a connection nor what was written to it, however the server comes to its end with it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from plaza.core.http.transport import JoinedHttp
from plaza.core.realtime import DirectWebSocket
from tests.support.waiting import eventually

PIECE = b"x" * 1024 * 1024
SOON_S = 0.1
GET = b"GET / HTTP/1.1\r\nHost: plaza\r\n"
UPGRADE = (
    GET
    + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    + base64.b64encode(os.urandom(16))
    + b"\r\n\r\n"
)


class HastyHttp(JoinedHttp):
    STALLED_S = SOON_S


class HastySocket(DirectWebSocket):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = SOON_S


class Application:
    """Writes until the line takes nothing more, and then does what the test wants."""

    def __init__(self, *, waits: bool, whole: bool = False) -> None:
        self.waits, self.whole = waits, whole
        self.is_stalled, self.has_ended = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
                await self._fill(send, {"type": "websocket.send", "bytes": PIECE})
            else:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                if self.whole:
                    await send({"type": "http.response.body", "body": 16 * PIECE})
                    return
                await self._fill(send, {"type": "http.response.body", "body": PIECE, "more_body": True})
            while self.waits and not (await receive())["type"].endswith(".disconnect"):
                pass
        finally:
            self.has_ended.set()

    async def _fill(self, send: Any, piece: Any) -> None:
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(SOON_S):
                    await send(piece)


@contextlib.asynccontextmanager
async def unread(application: Application, request: bytes, **config: Any) -> AsyncIterator[ServerState]:
    """A connection that asks once and then reads nothing."""
    loop = asyncio.get_running_loop()
    state = ServerState()
    ready = Config(application, http=HastyHttp, ws=HastySocket, log_config=None, **config)
    server = await loop.create_server(lambda: HastyHttp(ready, state, {}), "127.0.0.1")
    with socket.socket() as peer:
        peer.setblocking(False)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(peer, server.sockets[0].getsockname())
        await loop.sock_sendall(peer, request)
        try:
            yield state
        finally:
            server.close()
            for each in state.connections:
                each.transport.abort()


async def gone(state: ServerState) -> bool:
    return not state.connections


@pytest.mark.parametrize("ping_s", [None, SOON_S])
async def test_a_socket_that_was_ended_or_has_not_answered_a_ping(ping_s: float | None) -> None:
    application = Application(waits=ping_s is not None)
    async with unread(application, UPGRADE, ws_ping_interval=ping_s, ws_ping_timeout=ping_s) as state:
        await application.has_ended.wait()
        await eventually(lambda: gone(state))


@pytest.mark.parametrize("waits", [True, False])
async def test_a_stream(waits: bool) -> None:
    application = Application(waits=waits)
    async with unread(application, GET + b"\r\n") as state:
        await application.has_ended.wait()
        await eventually(lambda: gone(state))


@pytest.mark.parametrize("line", [b"", b"Connection: close\r\n"])
async def test_an_answer_that_is_complete(line: bytes) -> None:
    application = Application(waits=False, whole=True)
    async with unread(application, GET + line + b"\r\n", timeout_keep_alive=SOON_S) as state:
        await application.has_ended.wait()
        await eventually(lambda: gone(state))


class Line(asyncio.Transport):
    """What waits for the network gets less each time that somebody looks."""

    def __init__(self, waiting: int) -> None:
        super().__init__()
        self.waiting = waiting
        self.is_cut = False

    def get_write_buffer_size(self) -> int:
        self.waiting = max(0, self.waiting - 1)
        return self.waiting

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        self.is_cut = True


async def test_whoever_takes_a_little_at_a_time_is_let_be() -> None:
    protocol = HastyHttp(Config(Application(waits=False), log_config=None), ServerState(), {})
    protocol.STALLED_S = 0  # type: ignore[misc] # only of this one
    line = Line(waiting=20)
    protocol.connection_made(line)
    protocol.pause_writing()

    async def taken() -> bool:
        return line.waiting == 0

    await eventually(taken)
    assert not line.is_cut

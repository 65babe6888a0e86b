"""uvicorn's WebSocket with a way past its protocol, and an end for peers that read no more.

What goes to many is framed once, and written to each line as it stands. Closing alone waits until the peer has taken what was written,
and so for ever where it takes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

Write: TypeAlias = Callable[[bytes], bool]
"""Takes whole frames at once, or answers False: not now, or never again."""

_EXTENSION = "plaza.write"
_TEXT, _BINARY, _WHOLE = 1, 2, 0x80
_ONE_BYTE, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127


class DirectWebSocket(WebSocketsSansIOProtocol):
    """Frames may be written beside the protocol because they carry no state: nothing is compressed (`ws_per_message_deflate` is off),
    and no message is sent in parts."""

    # Bytes that may wait for the network: what comes behind them waits in the socket's bounded queue.
    WAITING = 64 * 1024

    _cut: asyncio.TimerHandle | None = None

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.transport.get_write_buffer_size():
            self._cut = self.loop.call_later(self.close_timeout, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """The application hears of it now, and not only once the line is gone."""
        super().keepalive_timeout()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def connection_lost(self, exc: Exception | None) -> None:
        if self._cut is not None:
            self._cut.cancel()
        super().connection_lost(exc)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.handshake_complete:  # else it was refused, and has no scope
            extensions: Any = self.scope["extensions"]
            extensions[_EXTENSION] = self.write

    def send_receive_event_to_app(self) -> None:
        """Text that is none ends the line with 1007; whoever says farewell in the same breath has ended it already."""
        try:
            super().send_receive_event_to_app()
        except InvalidState:
            self.handle_parser_exception()

    def write(self, frames: bytes) -> bool:
        is_open = self.handshake_complete and not (self.close_sent or self.disconnected or self.transport.is_closing())
        if not is_open or self.transport.get_write_buffer_size() > self.WAITING:
            return False
        self.transport.write(frames)
        return True


def write_of(scope: Mapping[str, Any]) -> Write | None:
    """None under another server."""
    found: Write | None = (scope.get("extensions") or {}).get(_EXTENSION)
    return found


def framed(payload: bytes, *, binary: bool) -> bytes:
    """As RFC 6455 (5.2) has it from servers: unmasked."""
    size, first = len(payload), _WHOLE | (_BINARY if binary else _TEXT)
    if size <= _ONE_BYTE:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, _TWO_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((first, _EIGHT_BYTES)) + size.to_bytes(8, "big") + payload

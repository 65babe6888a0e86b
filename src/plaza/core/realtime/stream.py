"""Server-sent events: one HTTP answer that is a socket to the hub, with its queue, its limits and its ends.

Every entry carries an id that names how far this stream has come in each topic, so that a reader who comes back with the last one gets
what follows, however long he was away. It is opaque, but no secret: it opens nothing that its user may not read anyway.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec

from plaza.core.errors import InvalidCursor
from plaza.core.realtime.frames import Frame
from plaza.core.realtime.settings import RealtimeSettings
from plaza.core.realtime.socket import Close, Receive, Send, Socket

_TOPIC, _SEQ = 16, 6
_RECORD = _TOPIC + _SEQ
_RETRY = re.compile(r"retry_ms=(\d+)")
_BEAT = b":\n\n"


class Positions:
    """The last seq of each topic, spelled as bytes of a fixed width, so that one of them is changed without making all anew."""

    def __init__(self, seqs: Mapping[UUID, int]) -> None:
        self._at: dict[UUID, int] = {}
        self._data = bytearray()
        for topic, seq in seqs.items():
            self.move(topic, seq)

    def move(self, topic: UUID, seq: int) -> None:
        at = self._at.get(topic)
        if at is None:
            at = self._at[topic] = len(self._data)
            self._data += topic.bytes + bytes(_SEQ)
        self._data[at + _TOPIC : at + _RECORD] = seq.to_bytes(_SEQ, "big")

    def written(self) -> bytes:
        return base64.urlsafe_b64encode(self._data).rstrip(b"=") or b"-"

    @staticmethod
    def read(written: str) -> dict[UUID, int]:
        """Raises InvalidCursor."""
        try:
            data = (
                b"" if written == "-" else base64.b64decode(written + "=" * (-len(written) % 4), b"-_", validate=True)
            )
        except (binascii.Error, ValueError) as error:
            raise InvalidCursor from error
        if len(data) % _RECORD:
            raise InvalidCursor
        records = [data[at : at + _RECORD] for at in range(0, len(data), _RECORD)]
        return {UUID(bytes=each[:_TOPIC]): int.from_bytes(each[_TOPIC:], "big") for each in records}


class EventStream(Socket):
    """Nothing is written before `begin`. Then, of topics that are being resumed, nothing that stands before the `mark` in the queue:
    what the hub gave out meanwhile is read from the log behind it."""

    __slots__ = ("_has_begun", "_has_spoken", "_mark", "_positions", "_resumed")

    def __init__(
        self,
        receive: Receive,
        send: Send,
        settings: RealtimeSettings,
        *,
        user_id: UUID,
        session_id: UUID | None,
        is_own: bool = True,
        positions: Mapping[UUID, int],
    ) -> None:
        async def gone() -> dict[str, Any]:
            while (await receive())["type"] != "http.disconnect":
                pass
            return {"type": "websocket.disconnect"}

        super().__init__(gone, send, settings, user_id=user_id, session_id=session_id, is_own=is_own)
        self._positions = Positions(positions)
        self._has_begun = self._has_spoken = False
        self._mark: bytes | None = None
        self._resumed: Collection[UUID] = ()

    def begin(self, resumed: Collection[UUID] = (), mark: bytes | None = None) -> None:
        self._has_begun, self._resumed, self._mark = True, resumed, mark
        self._write_soon()

    def beat(self) -> None:
        """Shows both sides that the line is alive, and proxies that it is in use."""
        self.push(Frame(_BEAT))

    def _write_soon(self) -> None:
        if self._has_begun or self.is_closing:
            super()._write_soon()

    async def _put(self, frame: Frame) -> None:
        if frame.data is self._mark:
            self._mark = None
        elif self._mark is None or frame.entry is None or frame.entry[0] not in self._resumed:
            await self._body(self._spelled(frame))

    def _spelled(self, frame: Frame) -> bytes:
        if frame.data is _BEAT:
            return _BEAT
        if frame.entry is not None and frame.is_whole:
            self._positions.move(*frame.entry)
        elif self._has_spoken:
            return b"data: " + frame.data + b"\n\n"
        self._has_spoken = True
        return b"id: " + self._positions.written() + b"\ndata: " + frame.data + b"\n\n"

    async def _end(self, code: int, reason: str) -> None:
        retry = _RETRY.search(reason) if code == Close.RESTART else None
        told = b"retry: " + retry[1].encode() + b"\n" if retry is not None else b""
        data = msgspec.json.encode({"code": code, "reason": reason})
        await self._body(told + b"event: close\ndata: " + data + b"\n\n", more=False)

    async def _body(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

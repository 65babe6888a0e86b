"""What all frames have in common, and a server frame as it goes out: encoded once for all its readers.

docs/asyncapi.json is written from the subclasses of `Said` and `Told`.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias
from uuid import UUID

import msgspec

from plaza.core.realtime.transport import framed
from plaza.core.schemas import Input, View

MSGPACK = "plaza.v1.msgpack"
"""The subprotocol of sockets that speak msgpack in binary messages instead of JSON in text."""

Ref: TypeAlias = str | int | None
"""Made by the client, echoed in the answer."""


class Said(Input, frozen=True, kw_only=True, tag_field="type"):
    """A frame of a client's. `answers` are the types of frames of which one answers it."""

    answers: ClassVar[tuple[str, ...]] = ("ack", "error")

    ref: Ref = None


class Told(View, frozen=True, kw_only=True, tag_field="type"):
    """A frame of the server's."""


OVERHEAD = 270  # bytes of a frame and what belongs to it beside its data


class Frame:
    """JSON as it left the service. How it is spelled for a protocol is made at the first reader and shared by the others.

    `entry` names the topic and seq of the log's entry that it tells; with the last one of them the entry `is_whole`.
    """

    __slots__ = ("_binary", "_text", "_wires", "data", "entry", "is_whole")

    def __init__(self, data: bytes, entry: tuple[UUID, int] | None = None, *, is_whole: bool = True) -> None:
        self.data, self.entry, self.is_whole = data, entry, is_whole
        self._text: dict[str, Any] | None = None
        self._binary: dict[str, Any] | None = None
        self._wires: dict[bool, bytes] = {}

    @property
    def cost(self) -> int:
        """Bytes of memory that it takes where nobody else has it."""
        return OVERHEAD + len(self.data)

    @classmethod
    def of(cls, struct: msgspec.Struct) -> Frame:
        return cls(msgspec.json.encode(struct))

    def wire(self, *, binary: bool) -> bytes:
        """As it stands on the line."""
        wire = self._wires.get(binary)
        if wire is None:
            payload = self.event(binary=True)["bytes"] if binary else self.data
            wire = self._wires[binary] = framed(payload, binary=binary)
        return wire

    def event(self, *, binary: bool) -> dict[str, Any]:
        """Of ASGI. For sockets with the msgpack subprotocol the same values, spelled in msgpack."""
        if binary:
            if self._binary is None:
                packed = msgspec.msgpack.encode(msgspec.json.decode(self.data))
                self._binary = {"type": "websocket.send", "bytes": packed}
            return self._binary
        if self._text is None:
            self._text = {"type": "websocket.send", "text": self.data.decode()}
        return self._text

"""Frames as they come over the line, checked."""

from __future__ import annotations

from typing import Any

import msgspec

from plaza.core.realtime import Ref


class Codec:
    """JSON in text messages, or msgpack in binary ones."""

    def __init__(self, *, binary: bool) -> None:
        self.binary = binary
        self._decode: Any = msgspec.msgpack.decode if binary else msgspec.json.decode

    def decode(self, message: Any, kind: Any) -> Any:
        """Of an ASGI message. Raises msgspec.ValidationError for another shape, msgspec.DecodeError for what is no frame at all."""
        raw = message.get("bytes" if self.binary else "text")
        if raw is None:
            raise msgspec.DecodeError("a message of the other kind, or none")
        return self.parse(raw, kind)

    def parse(self, raw: str | bytes, kind: Any) -> Any:
        if isinstance(raw, bytes) is not self.binary:
            raise msgspec.DecodeError("a message of the other kind")
        try:
            found = self._decode(raw, type=kind)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
        if (b"\0" in raw if isinstance(raw, bytes) else "\\u0000" in raw) and holds_nul(msgspec.to_builtins(found)):
            raise msgspec.ValidationError("U+0000 is not accepted")
        return found

    def ref_of(self, raw: str | bytes) -> Ref:
        """Of a frame that has another shape than it should. Raises msgspec.DecodeError where it is none."""
        try:
            found = self._decode(raw)
        except RecursionError as error:
            raise msgspec.DecodeError("nested too deeply") from error
        if not isinstance(found, dict) or not isinstance(found.get("type"), str):
            raise msgspec.DecodeError("not an object with a type")
        ref = found.get("ref")
        return ref if isinstance(ref, str | int) and not isinstance(ref, bool) else None


def holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(holds_nul, value.values()))
    return isinstance(value, list) and any(map(holds_nul, value))

"""Frames in and out, in JSON or msgpack. What a newer server says is no error: it comes as `Unknown`."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

import msgspec

from plaza.client.frames import Logged, Said, Told


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a type or shape that this client does not know. With a seq it is an entry of a log, and has its place there."""

    type: str
    conversation_id: UUID | None = None
    seq: int | None = None
    frame: dict[str, Any] = {}


class Codec:
    def __init__(self, *, binary: bool) -> None:
        self.binary = binary
        module = msgspec.msgpack if binary else msgspec.json
        self._encode = module.Encoder().encode
        self._told, self._logged = module.Decoder(Told), module.Decoder(Logged)
        self._any, self._unknown = module.Decoder(), module.Decoder(Unknown)

    def write(self, frame: Said) -> bytes | str:
        written: bytes = self._encode(frame)
        return written if self.binary else written.decode()

    def read(self, raw: bytes | str) -> Told | Unknown:
        """Raises msgspec.DecodeError for what is no frame at all."""
        return cast(Told | Unknown, self._read(self._told, raw))

    def read_entry(self, raw: bytes | msgspec.Raw) -> Logged | Unknown:
        """Raises msgspec.DecodeError for what is no frame at all."""
        return cast(Logged | Unknown, self._read(self._logged, raw))

    def _read(self, decoder: Any, raw: Any) -> Any:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            return msgspec.structs.replace(self._unknown.decode(raw), frame=self._any.decode(raw))


JSON = Codec(binary=False)
MSGPACK = Codec(binary=True)

"""Frames that nobody should send, made from the structs of those that clients may."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from plaza.chat.frames import Saying
from tests.support.frames import client_frames, sample_frame

FRAME_BYTES = 128 * 1024
SERVER_BYTES = 512 * 1024  # beyond that the server's own limit answers

_DEEP = 50_000
_NAME = "a name " * 3_000

# Not a frame: no object with a type, or not JSON at all.
NO_FRAMES = [
    "",
    " ",
    "{",
    "}",
    "nul",
    "1",
    '"ping"',
    "[]",
    "{}",
    "{'type':'ping'}",
    '{"type":"ping",}',
    '{"type":"ping"} {"type":"ping"}',
    '\ufeff{"type":"ping"}',
    '{"ref":"a"}',
    '{"type":null}',
    '{"type":["ping"]}',
    '{"type":"ping","ref":NaN}',
    '{"type":"ping","ref":-Infinity}',
    '{"type":"ping","ref":1e999}',
    f'{{"type":"ping","ref":{"1" * 5_000}}}',
    '{"type":"ping","ref":"\\ud800"}',
    '{"type":"ping","ref":"\\x"}',
    "[" * _DEEP,
    '{"a":' * 20_000,
    f'{{"type":"ping","ref":{"[" * _DEEP}{"]" * _DEEP}}}',
    f'{{"type":"subscribe","conversations":{"[" * _DEEP}{"]" * _DEEP}}}',
]

# A frame by its outside: refused, with its ref where it has one.
MISSHAPEN = [
    '{"type":"ping","type":"auth","ref":"a"}',
    '{"type":"ping","ref":"a","more":1}',
    '{"type":"","ref":"a"}',
    '{"type":"PING","ref":"a"}',
    '{"type":"ready","ref":"a"}',
    f'{{"type":"{_NAME}","ref":"a"}}',
    '{"type":"ping","\\u0000":1,"ref":"a"}',
    '{"type":"message.send","ref":"a"}',
    '{"type":"auth","token":"again","ref":"a"}',
]


def _packed(**fields: bytes) -> bytes:
    """A map of fields that are packed already."""
    pairs = (msgspec.msgpack.encode(name) + value for name, value in fields.items())
    return bytes([0x80 | len(fields)]) + b"".join(pairs)


_PING, _SUBSCRIBE = msgspec.msgpack.encode("ping"), msgspec.msgpack.encode("subscribe")

# The same in msgpack. The large ones declare sizes that never come.
NO_PACKED_FRAMES = [
    b"",
    b"\xc0",
    b"\xc1",
    b"\x93\x01\x02\x03",
    b"\x80",
    b"\x81\x01\x01",
    b"\x81\x81\x01\x01\x01",
    b"\x91" * 100_000,
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x01",
    _packed(type=_PING, ref=b"\xa2\xff\xfe"),
    _packed(type=_PING, ref=b"\xdb\xff\xff\xff\xff"),
    _packed(type=_PING, ref=b"\xdd\x0f\xff\xff\xff"),
    _packed(type=_PING, ref=b"\xd7" + b"\xff" * 9),
    _packed(type=_PING, more=b"\xdf\xff\xff\xff\xff"),
    _packed(type=_SUBSCRIBE, conversations=b"\xdd\xff\xff\xff\xff"),
]

_VALUES: list[Any] = [None, True, -1, 2**70, 1.5, "", "x", "x" * 60_000, [], [[]], [None] * 2_000, {}, {"id": 1}]


def wrong_fields(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every frame with one field left out, or with a value that its struct does not take."""
    for type, kind in client_frames().items():
        whole = {**sample_frame(type, values), "ref": "a"}
        for field in msgspec.structs.fields(kind):
            if field.required:
                yield {name: value for name, value in whole.items() if name != field.name}
            for value in _VALUES:
                frame = {**whole, field.name: value}
                if not _fits(frame):
                    yield frame


def _fits(frame: Mapping[str, Any]) -> bool:
    try:
        msgspec.json.decode(json.dumps(frame), type=Saying)
    except msgspec.ValidationError:
        return False
    return True

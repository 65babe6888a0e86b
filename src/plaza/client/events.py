"""What a line hands out: the server's frames, and what became of the line itself."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

import msgspec

from plaza.client.codec import Unknown
from plaza.client.frames import Told


class Up(msgspec.Struct, frozen=True):
    """The line is up: what was missed has come or follows, then what happens."""


class Down(msgspec.Struct, frozen=True):
    """The line has lost its socket and comes back by itself. `code` is 0 where nobody said why."""

    code: int
    reason: str


Event: TypeAlias = Told | Unknown | Up | Down


def place_of(event: Event) -> tuple[UUID, int] | None:
    """Of an entry of a log: its conversation and seq."""
    id, seq = getattr(event, "conversation_id", None), getattr(event, "seq", None)
    return None if id is None or seq is None else (id, seq)

"""What a client's line hands out, as far as a test wants to hear."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from uuid import UUID

from plaza.client import Event, Line
from plaza.client.events import place_of
from tests.support.outside import PATIENCE_S

E = TypeVar("E")


async def next_of(line: Line, kind: type[E]) -> E:
    """The next event of this kind; others that come first are passed over."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in line:
            if isinstance(event, kind):
                return event
    raise AssertionError("the line has ended")


async def up_to(line: Line, conversation: UUID, seq: int) -> list[Event]:
    """All events until this entry was handed out."""
    found: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in line:
            found.append(event)
            if place_of(event) == (conversation, seq):
                return found
    raise AssertionError("the line has ended")


def seqs(events: list[Event], conversation: UUID) -> list[int]:
    """Of the entries of this conversation, as they came."""
    return [place[1] for event in events if (place := place_of(event)) is not None and place[0] == conversation]

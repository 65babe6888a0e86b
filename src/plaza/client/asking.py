"""Frames that wait for their answers, and are said again over each new socket until they have one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection

from plaza.client.backoff import Backoff
from plaza.client.frames import Ack, Said


class Asked:
    """`socket` is the one over which it was said last."""

    def __init__(self, frame: Said, patience_s: float) -> None:
        self.frame, self.backoff = frame, Backoff(patience_s)
        self.answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self.socket: ClientConnection | None = None

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Questions:
    """In the order in which they were asked."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._refs = count(1)
        self._open: dict[str, Asked] = {}

    def __len__(self) -> int:
        return len(self._open)

    def ref(self) -> str:
        return str(next(self._refs))

    def add(self, frame: Any) -> Asked:
        asked = self._open[frame.ref] = Asked(frame, self._patience_s)
        return asked

    def remove(self, frame: Any) -> None:
        del self._open[frame.ref]

    def waiting(self, ref: str) -> Asked | None:
        """None where nobody waits any more."""
        asked = self._open.get(ref)
        return asked if asked is not None and not asked.answer.done() else None

    def unsaid(self, socket: ClientConnection) -> Iterator[Asked]:
        """What this socket has not taken yet; more may come meanwhile."""
        while waiting := [each for each in self._open.values() if each.socket is not socket]:
            yield from waiting

    def fail(self, error: Exception) -> None:
        for asked in self._open.values():
            asked.fail(error)

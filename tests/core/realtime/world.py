"""A log in memory, peers in memory, and a wire between hubs that loses, doubles and reorders as it is told."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from plaza.core.ids import uuid7
from plaza.core.realtime import Close, Head, Hub, LogFrame, RealtimeSettings, Socket, Wake
from plaza.core.realtime.bus import Item

T = TypeVar("T")

LIMIT_S = 20  # how long a test waits for something that must happen


class MemoryLog:
    """Reads suspend for a few steps before and after they see the log, so that they interleave with whatever else runs."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.chance = chance
        self.entries: defaultdict[UUID, list[tuple[UUID, LogFrame]]] = defaultdict(list)
        self.members: defaultdict[UUID, set[UUID]] = defaultdict(set)
        self.ends: set[UUID] = set()
        self.reads = 0
        self.is_down = False  # for what the hub reads by itself

    def append(self, topic: UUID, *, joined: Sequence[UUID] = (), left: Sequence[UUID] = (), text: str = "") -> Wake:
        seq = len(self.entries[topic]) + 1
        frame = encoded("entry", topic, seq=seq, text=text)
        then = tuple(encoded("farewell", topic, user=str(each)) for each in left)
        entry = LogFrame(seq=seq, frame=frame, joined=tuple(joined), left=tuple(left), then=then)
        self.entries[topic].append((uuid7(), entry))
        self.members[topic] |= set(joined)
        self.members[topic] -= set(left)
        return Wake(topic=topic, seq=seq, frame=frame, joined=entry.joined, left=entry.left, then=then)

    def last(self, topic: UUID) -> int:
        return len(self.entries[topic])

    async def frames(self, topic: UUID, after: int, limit: int) -> Sequence[LogFrame]:
        return await self._read(lambda: [each for _, each in self.entries[topic][after : after + limit]])

    async def heads(self, since: UUID) -> Sequence[Head]:
        def read() -> list[Head]:
            found = []
            for topic in sorted(self.entries):
                rows = [entry for id, entry in self.entries[topic] if id >= since]
                found += [
                    Head(topic=topic, seq=each.seq, joined=() if topic in self.ends else each.joined, left=each.left)
                    for each in rows
                    if each.joined or each.left or each is rows[-1]
                ]
            return found

        return await self._read(read)

    async def unseen_since(self) -> datetime | None:
        """An entry is there at once."""
        return None

    async def topics_of(self, user_id: UUID) -> Mapping[UUID, int]:
        return await self._read(
            lambda: {
                topic: self.last(topic)
                for topic, members in self.members.items()
                if user_id in members and topic not in self.ends
            },
            always=True,
        )

    async def ended(self, topics: Collection[UUID]) -> Collection[UUID]:
        return await self._read(lambda: self.ends.intersection(topics))

    def farewell(self, topic: UUID, user_id: UUID) -> bytes:
        return encoded("ended", topic, user=str(user_id))

    async def _read(self, read: Callable[[], T], *, always: bool = False) -> T:
        self.reads += 1
        await self._dawdle()
        if self.is_down and not always:
            raise ConnectionError("the database is down")
        found = read()
        await self._dawdle()
        return found

    async def _dawdle(self) -> None:
        if self.chance is not None:
            for _ in range(self.chance.randrange(6)):
                await asyncio.sleep(0)


def encoded(type: str, topic: UUID | None = None, **fields: Any) -> bytes:
    return msgspec.json.encode({"type": type, "topic": str(topic), **fields})


class Peer:
    """The other end of a socket. While `reads` is cleared the server cannot write; `takes` tells whether a frame is taken at once."""

    def __init__(self, hub: Hub, user_id: UUID, **options: Any) -> None:
        self.hub = hub
        self.got: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.changed = asyncio.Event()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.on_frame: Callable[[str | bytes], Any] = lambda _: None
        self.takes: Callable[[], bool] = lambda: False
        self.taken_at_once = 0
        options.setdefault("session_id", uuid7())
        options.setdefault("write", self._take_at_once)
        self.socket = Socket(self.sent.get, self._take, hub.settings, user_id=user_id, **options)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> Peer:
        self.task = asyncio.create_task(self._run())
        return self

    async def opened(self) -> Peer:
        self.start()
        await self.until(lambda: self.of_type("ready"))
        return self

    async def _run(self) -> None:
        try:
            await self.hub.open(self.socket, encoded("ready"))
            await self.socket.serve(self.on_frame)
        finally:
            self.hub.closed(self.socket)

    def _take_at_once(self, frames: bytes) -> bool:
        if not self.takes():
            return False
        while frames:
            length = {126: slice(2, 4), 127: slice(2, 10)}.get(frames[1], slice(1, 2))
            end = length.stop + int.from_bytes(frames[length], "big")
            decode = msgspec.msgpack.decode if frames[0] & 15 == 2 else msgspec.json.decode
            self.got.append(decode(frames[length.stop : end]))
            self.taken_at_once += 1
            frames = frames[end:]
        self.changed.set()
        return True

    async def _take(self, event: Any) -> None:
        await self.reads.wait()
        if event["type"] == "websocket.close":
            self.closed = (event["code"], event["reason"])
            self.sent.put_nowait({"type": "websocket.disconnect", "code": event["code"]})
        elif "bytes" in event:
            self.got.append(msgspec.msgpack.decode(event["bytes"]))
        else:
            self.got.append(msgspec.json.decode(event["text"]))
        self.changed.set()

    def say(self, text: str) -> None:
        self.sent.put_nowait({"type": "websocket.receive", "text": text})

    def of_type(self, type: str) -> list[Any]:
        return [each for each in self.got if each["type"] == type]

    def seqs(self, topic: UUID) -> list[int]:
        return [each["seq"] for each in self.of_type("entry") if each["topic"] == str(topic)]

    def has(self, topic: UUID, seq: int) -> bool:
        return seq in self.seqs(topic)

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def until_closed(self) -> tuple[int, str]:
        await self.until(lambda: self.closed)
        assert self.closed is not None
        assert self.task is not None
        await self.task
        return self.closed

    async def leave(self) -> None:
        self.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
        if self.task is not None:
            await asyncio.wait([self.task])


class Wire:
    """In place of a hub's Bus: what a hub publishes lies here until the test delivers or loses it."""

    def __init__(self) -> None:
        self.hubs: list[Hub] = []
        self.lying: list[tuple[Hub, Item]] = []

    def hub(self, log: MemoryLog, **settings: Any) -> Hub:
        hub = Hub(Redis(), RealtimeSettings(**settings))  # never connected: its bus is replaced
        hub.bus = _WireEnd(self, hub)  # type: ignore[assignment] # the same face
        hub.log = log
        self.hubs.append(hub)
        return hub

    def deliver(self, at: int = 0) -> None:
        hub, item = self.lying.pop(at)
        hub._receive([item])

    def deliver_all(self) -> None:
        while self.lying:
            self.deliver()


class _WireEnd:
    def __init__(self, wire: Wire, hub: Hub) -> None:
        self.wire, self.hub = wire, hub

    def publish(self, items: Sequence[Item]) -> None:
        self.wire.lying += [(each, item) for each in self.wire.hubs if each is not self.hub for item in items]

    async def close(self) -> None: ...


__all__ = ["LIMIT_S", "Close", "MemoryLog", "Peer", "Wire", "encoded"]

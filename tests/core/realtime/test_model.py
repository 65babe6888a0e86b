"""Random interleavings of commits, lost, late and doubled wake-ups, comings and goings, resumes and sweeps against what must hold:
every reader's sequence is the log's, once and in order, for as long as he is a member and the log goes on."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plaza.core.ids import uuid7
from tests.core.realtime.world import LIMIT_S, MemoryLog, Peer, Wire, encoded

TOPICS, USERS = 2, 3

steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["post"] * 4
            + [
                "burst",
                "burst",
                "join",
                "leave",
                "open",
                "open",
                "open one",
                "close",
                "resume",
                "resume",
                "deliver",
                "deliver",
                "deliver",
            ]
            + [
                "end",
                "deliver all",
                "lose",
                "double",
                "sweep",
                "run",
                "run",
                "block",
                "unblock",
                "lose all",
                "down",
                "up",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    max_size=60,
)


class Reader(Peer):
    """Knows how long each log was when it came, and when it was told `ready`. Of what follows, some is taken at once."""

    before: dict[UUID, int]
    lengths: dict[UUID, int]

    def start(self) -> Peer:
        self.before = self._lengths()
        log: Any = self.hub.log
        self.takes = lambda: bool(self.got) and log.chance.random() < 0.5
        return super().start()

    async def _take(self, event: Any) -> None:
        await super()._take(event)
        if self.got and self.got[-1]["type"] == "ready":
            self.lengths = self._lengths()

    def _lengths(self) -> dict[UUID, int]:
        log: Any = self.hub.log
        return {topic: log.last(topic) for topic in log.entries}


class World:
    def __init__(self, seed: int) -> None:
        self.log = MemoryLog(random.Random(seed))
        self.wire = Wire()
        self.hubs = [self.wire.hub(self.log, patience_s=1e-9, page=3, queue_frames=100_000) for _ in range(2)]
        self.topics = [uuid7() for _ in range(TOPICS)]
        self.ended: list[UUID] = []
        self.users = [uuid7() for _ in range(USERS)]
        self.readers: list[Reader] = []
        self.resumes: set[asyncio.Task[None]] = set()

    async def step(self, what: str, a: int, b: int, c: int) -> None:
        topic, user, hub = self.topics[a % TOPICS], self.users[b % USERS], self.hubs[c % 2]
        is_member = user in self.log.members[topic]
        match what:
            case "post":
                await self.commit(topic, c)
            case "burst":  # as of a group of sends: all told at once, in the midst of them a coming or going
                change: dict[str, Any] = {"left" if is_member else "joined": (user,)}
                wakes = [self.log.append(topic, **(change if n == b else {})) for n in range(a + 1)]
                await hub.wake(*wakes)
            case "join" if not is_member:
                await self.commit(topic, c, joined=(user,))
            case "leave" if is_member:
                await self.commit(topic, c, left=(user,))
            case "end":
                await self.end(a % TOPICS, c)
            case "open":
                self.readers.append(Reader(hub, user))
                self.readers[-1].start()
            case "open one" if is_member:
                self.readers.append(Reader(hub, user, only=topic))
                self.readers[-1].start()
            case "close" if self.readers:
                await self.readers.pop(a % len(self.readers)).leave()
            case "resume" if self.readers:
                self.resume(self.readers[b % len(self.readers)], topic, a)
            case "deliver" if self.wire.lying:
                self.wire.deliver(a % len(self.wire.lying))
            case "double" if self.wire.lying:
                self.wire.lying.append(self.wire.lying[a % len(self.wire.lying)])
            case "lose" if self.wire.lying:
                self.wire.lying.pop(a % len(self.wire.lying))
            case "lose all":
                self.wire.lying.clear()
            case "deliver all":
                self.wire.deliver_all()
            case "sweep" if not self.log.is_down:
                await hub.sweep()
            case "down" | "up":
                self.log.is_down = what == "down"
            case "run":
                for _ in range(a * b):
                    await asyncio.sleep(0)
            case "block" if self.readers:
                self.readers[a % len(self.readers)].reads.clear()
            case "unblock":
                for reader in self.readers:
                    reader.reads.set()

    async def commit(self, topic: UUID, how: int, **change: Any) -> None:
        """By one of the hubs; a third of them die before they say so."""
        wake = self.log.append(topic, **change)
        if how % 3:
            await self.hubs[how % 2].wake(wake)

    async def end(self, number: int, how: int) -> None:
        """A third of the ends nobody hears of. Another topic of the same members takes its place."""
        topic, self.topics[number] = self.topics[number], uuid7()
        self.log.ends.add(topic)
        self.ended.append(topic)
        if how % 3:
            await self.hubs[how % 2].end_topic(topic)
        await self.commit(self.topics[number], 1, joined=tuple(self.log.members[topic]))

    def resume(self, reader: Reader, topic: UUID, back: int) -> None:
        async def run() -> None:
            topics = await reader.hub.log.topics_of(reader.socket.user_id)
            if reader.socket.noted is None and topic in topics and reader.socket.only in (None, topic):
                head = topics[topic]
                after = max(0, head - back)
                said = encoded("subscribed", topic, after=after, head=head)
                await reader.hub.resume(reader.socket, {topic: (head, after)}, said)

        task = asyncio.create_task(run())
        self.resumes.add(task)
        task.add_done_callback(self.resumes.discard)

    async def settle(self) -> None:
        """Until nothing moves any more. What lies on the wire is lost."""
        self.wire.lying.clear()
        self.log.is_down = False
        for reader in self.readers:
            reader.reads.set()
        for _ in range(3):
            async with asyncio.timeout(LIMIT_S):
                while self.is_moving():
                    await asyncio.sleep(0.001)
            for hub in self.hubs:
                await hub.sweep()
        async with asyncio.timeout(LIMIT_S):
            while self.is_moving():
                await asyncio.sleep(0.001)

    def is_moving(self) -> bool:
        return (
            bool(self.resumes)
            or any(reader.socket.noted is not None and not reader.socket.is_closing for reader in self.readers)
            or any(topic.healing or topic.followers for hub in self.hubs for topic in hub.topics.by_id.values())
            or any(reader.socket._queue or reader.socket._writer for reader in self.readers)
        )

    def check(self) -> None:
        for hub in self.hubs:
            assert hub.topics.by_id.keys().isdisjoint(self.ended)
        for reader in self.readers:
            for topic in (*self.topics, *self.ended):
                self.check_one(reader, topic)

    def check_one(self, reader: Reader, topic: UUID) -> None:
        entries = [entry for _, entry in self.log.entries[topic]]
        user = reader.socket.user_id
        spans = membership(entries, user)
        mine = [each for each in reader.got if each.get("topic") == str(topic)]
        if reader.socket.only not in (None, topic):
            assert not mine
            return
        types = [each["type"] for each in mine]
        if "ended" in types:
            assert set(types[types.index("ended") + 1 :]) <= {"subscribed"}
        parts: list[list[Any]] = [[]]
        marks: list[Any] = [None]
        for each in mine:
            if each["type"] == "subscribed":
                parts.append([])
                marks.append(each)
            else:
                parts[-1].append(each)
        for number, (mark, part) in enumerate(zip(marks, parts, strict=True)):
            is_last = number == len(parts) - 1 and reader.closed is None and topic not in self.log.ends
            seqs = [each["seq"] for each in part if each["type"] == "entry"]
            assert seqs == sorted(set(seqs)), "each once, in order"
            self.check_farewells(part, spans, user, mark["head"] if mark else 0)
            if mark is not None:
                self.check_resumed(seqs, spans, mark, len(entries), is_last)
            else:
                self.check_live(reader, topic, seqs, spans, is_last)

    def check_resumed(
        self, seqs: list[int], spans: list[tuple[int, int]], mark: Any, last: int, is_complete: bool
    ) -> None:
        after, head = mark["after"], mark["head"]
        wanted = [seq for seq in range(after + 1, last + 1) if seq <= head or within(seq, spans)]
        later = [(first, end) for first, end in spans if first > head and end <= last]  # came and went again unnoticed
        required = [seq for seq in wanted if seq <= head or not within(seq, later)]
        assert [seq for seq in seqs if seq not in wanted] == []
        if is_complete:
            assert [seq for seq in required if seq not in seqs] == []
            self.whole(seqs, later)
        elif seqs:
            assert [seq for seq in required if seq < seqs[-1] and seq not in seqs] == []

    def check_live(
        self, reader: Reader, topic: UUID, seqs: list[int], spans: list[tuple[int, int]], is_complete: bool
    ) -> None:
        if not reader.of_type("ready"):
            assert not seqs
            return
        assert [seq for seq in seqs if not within(seq, spans)] == []
        last = self.log.last(topic)
        end = last if is_complete else (seqs[-1] if seqs else 0)
        came_and_went = [(a, b) for a, b in spans if a > reader.before.get(topic, 0) and b <= last]
        wanted = [seq for seq in range(reader.lengths.get(topic, 0) + 1, end + 1) if within(seq, spans)]
        assert [seq for seq in wanted if seq not in seqs and not within(seq, came_and_went)] == []
        if is_complete:
            self.whole(seqs, came_and_went)

    def whole(self, seqs: list[int], spans: list[tuple[int, int]]) -> None:
        """A span in the past was told to its end, from wherever it was noticed."""
        for first, end in spans:
            told = [seq for seq in seqs if first <= seq <= end]
            assert not told or told == list(range(told[0], end + 1))

    def check_farewells(self, part: list[Any], spans: list[tuple[int, int]], user: UUID, head: int) -> None:
        """Right behind the entry by which he left, and before anything else; none behind an earlier leaving, of which he came back."""
        ends = {end for _, end in spans}
        for each, following in pairwise(part):
            if each["type"] == "entry" and each["seq"] in ends:
                is_farewell = following["type"] == "farewell" and following["user"] == str(user)
                assert is_farewell is (each["seq"] > head)


def membership(entries: list[Any], user: UUID) -> list[tuple[int, int]]:
    """First and last seq of each stay; a stay that lasts ends far ahead."""
    spans: list[tuple[int, int]] = []
    for entry in entries:
        if user in entry.joined:
            spans.append((entry.seq, 1 << 30))
        if user in entry.left:
            spans[-1] = (spans[-1][0], entry.seq)
    return spans


def within(seq: int, spans: list[tuple[int, int]]) -> bool:
    return any(first <= seq <= end for first, end in spans)


async def play(seed: int, script: list[tuple[str, int, int, int]]) -> None:
    world = World(seed)
    try:
        for number, topic in enumerate(world.topics):
            await world.commit(topic, 1, joined=world.users[: number + 1])
        for step in script:
            await world.step(*step)
        await world.settle()
        world.check()
    finally:
        for reader in world.readers:
            reader.reads.set()
            await reader.leave()
        for task in [task for hub in world.hubs for task in hub._tasks]:
            await task


def run(seed: int, script: list[tuple[str, int, int, int]]) -> None:
    """A loop of its own, so that nothing of one example is left for the next."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(play(seed, script))
    finally:
        loop.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), steps)
def test_every_reader_gets_the_log_once_and_in_order(seed: int, script: list[tuple[str, int, int, int]]) -> None:
    run(seed, script)

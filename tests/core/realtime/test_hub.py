"""Sockets and the hub: limits, slow readers, ends, resuming, drain."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
import weakref
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from plaza.core.ids import uuid7
from plaza.core.realtime import Bus, DirectWebSocket, Frame, Head, Hub, LogFrame
from plaza.core.realtime.bus import Signal
from plaza.core.telemetry.metrics import FRAMES_HEALED, SLOW_READERS, SOCKETS
from tests.core.realtime.world import LIMIT_S, MemoryLog, Peer, Wire, encoded
from tests.support.waiting import eventually

T, ANN, BEN = uuid7(), uuid7(), uuid7()


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.append(T, joined=[ANN, BEN])
    return log


@pytest.fixture
def hub(log: MemoryLog) -> Hub:
    return Wire().hub(log, queue_frames=50, queue_bytes=100_000, page=10, close_within_s=0.2, patience_s=0.001)


def value(metric: Any) -> float:
    return float(metric._value.get())


async def test_a_frame_is_said_once_for_all_readers_in_each_protocol(hub: Hub, log: MemoryLog) -> None:
    plain, packed = await Peer(hub, ANN).opened(), await Peer(hub, BEN, binary=True).opened()
    await hub.wake(log.append(T, text="grüße 👋"))
    for peer in (plain, packed):
        await peer.until(partial(peer.seqs, T))
        assert peer.of_type("entry") == [{"type": "entry", "topic": str(T), "seq": 2, "text": "grüße 👋"}]
        await peer.leave()


async def test_what_has_no_seq_goes_to_those_it_is_meant_for(hub: Hub) -> None:
    ann, ben, stranger = [await Peer(hub, each).opened() for each in (ANN, BEN, uuid7())]
    await hub.to_topic(T, encoded("to all"))
    await hub.to_topic(T, encoded("but ann"), but_user=ANN)
    await hub.to_users([ANN, uuid7()], encoded("to ann"))
    await hub.to_topic(uuid7(), encoded("to nobody"))
    await hub.to_users([ANN, BEN, stranger.socket.user_id], encoded("end"))
    heard = []
    for peer in (ann, ben, stranger):
        await peer.until(partial(peer.of_type, "end"))
        heard.append([each["type"] for each in peer.got])
        await peer.leave()
    assert heard == [["ready", "to all", "to ann", "end"], ["ready", "to all", "but ann", "end"], ["ready", "end"]]


async def test_a_socket_of_one_topic_hears_of_no_other(hub: Hub, log: MemoryLog) -> None:
    other = uuid7()
    log.append(other, joined=[ANN])
    narrow, wide = await Peer(hub, ANN, only=T).opened(), await Peer(hub, ANN).opened()
    for about, said in ((other, "other"), (T, "this"), (None, "end")):
        await hub.to_users([ANN], encoded(said), topic=about)
    heard = []
    for peer in (narrow, wide):
        await peer.until(partial(peer.of_type, "end"))
        heard.append([each["type"] for each in peer.got])
        await peer.leave()
    assert heard == [["ready", "this", "end"], ["ready", "other", "this", "end"]]


async def test_nothing_comes_before_ready(hub: Hub, log: MemoryLog) -> None:
    peer = Peer(hub, ANN)
    hub.topics.add(peer.socket)  # as while its topics are being read
    await hub.to_users([ANN], encoded("early"))
    hub.topics.remove(peer.socket)
    await peer.opened()
    assert peer.got == [{"type": "ready", "topic": "None"}]
    await peer.leave()


async def test_a_slow_reader_is_closed_and_the_others_are_not(hub: Hub, log: MemoryLog) -> None:
    slow, quick = await Peer(hub, ANN).opened(), await Peer(hub, BEN).opened()
    closed = value(SLOW_READERS)
    slow.reads.clear()
    for n in range(2, 102):
        await hub.wake(log.append(T))
        await quick.until(partial(quick.has, T, n))
    assert quick.seqs(T) == list(range(2, 102))
    assert value(SLOW_READERS) == closed + 1
    slow.reads.set()
    assert (await slow.until_closed())[0] == 4008
    assert slow.seqs(T) == list(range(2, 2 + len(slow.seqs(T)))), "what it got is whole"
    assert len(slow.seqs(T)) < 60
    await quick.leave()


async def test_bytes_count_too(hub: Hub, log: MemoryLog) -> None:
    peer = await Peer(hub, ANN).opened()
    peer.reads.clear()
    for _ in range(6):
        await hub.wake(log.append(T, text="x" * 30_000))
    peer.reads.set()
    assert (await peer.until_closed())[0] == 4008


async def test_one_frame_passes_however_large(hub: Hub, log: MemoryLog) -> None:
    peer = await Peer(hub, ANN).opened()
    await hub.wake(log.append(T, text="x" * 200_000))
    await peer.until(lambda: peer.seqs(T))
    assert peer.closed is None
    await peer.leave()


async def test_a_reader_that_takes_not_even_the_close_frame_is_let_go(hub: Hub, log: MemoryLog) -> None:
    peer = await Peer(hub, ANN).opened()
    open_ones = value(SOCKETS)
    peer.reads.clear()
    for _ in range(100):
        await hub.wake(log.append(T))
    assert peer.task is not None
    await asyncio.wait_for(peer.task, LIMIT_S)
    assert value(SOCKETS) == open_ones - 1
    assert hub.topics.by_id == {}


async def test_the_oldest_socket_of_a_user_makes_room(log: MemoryLog) -> None:
    hub = Wire().hub(log, sockets_per_user=2)
    first, other = await Peer(hub, ANN).opened(), await Peer(hub, BEN).opened()
    second, third = await Peer(hub, ANN).opened(), await Peer(hub, ANN).opened()
    assert (await first.until_closed())[0] == 4009
    assert not any(each.socket.is_closing for each in (other, second, third))
    for peer in (other, second, third):
        await peer.leave()


async def test_the_end_of_a_session_is_that_of_its_sockets(hub: Hub, log: MemoryLog) -> None:
    session = uuid7()
    ending, other = await Peer(hub, ANN, session_id=session).opened(), await Peer(hub, ANN).opened()
    hub.end_session(session)
    assert (await ending.until_closed())[0] == 4401
    hub.end_session(session)
    await hub.wake(log.append(T))
    await other.until(lambda: other.seqs(T))
    assert ending.seqs(T) == []
    await other.leave()


async def test_what_a_session_had_not_been_told_it_is_told_no_more(hub: Hub, log: MemoryLog) -> None:
    session = uuid7()
    peer = await Peer(hub, ANN, session_id=session).opened()
    peer.reads.clear()
    await hub.wake(*[log.append(T) for _ in range(10)])
    await eventually(lambda: taken(peer))
    hub.end_session(session)
    peer.reads.set()
    assert (await peer.until_closed())[0] == 4401
    assert len(peer.seqs(T)) <= 1, "one may have been on its way"


async def taken(peer: Peer) -> bool:
    return not peer.socket._queue


async def test_a_socket_is_closed_wherever_it_is(log: MemoryLog) -> None:
    wire = Wire()
    here, there = wire.hub(log), wire.hub(log)
    peer, other = await Peer(there, ANN).opened(), await Peer(there, ANN).opened()
    here.close_sockets([peer.socket.id], 4009)
    wire.deliver_all()
    assert (await peer.until_closed())[0] == 4009
    assert not other.socket.is_closing
    await other.leave()


async def test_a_signal_reaches_every_process(log: MemoryLog) -> None:
    wire = Wire()
    hubs = [wire.hub(log), wire.hub(log)]
    heard: list[UUID] = []
    for hub in hubs:
        hub.on_signal("colour", heard.extend)
    await hubs[0].signal("colour", [ANN])
    await hubs[0].signal("unknown", [BEN])
    wire.deliver_all()
    assert heard == [ANN, ANN]


async def resumed(hub: Hub, peer: Peer, log: MemoryLog, after: int) -> None:
    head = (await log.topics_of(peer.socket.user_id))[T]
    await hub.resume(peer.socket, {T: (head, after)}, encoded("subscribed"))


async def test_resuming_waits_for_room_instead_of_closing(hub: Hub, log: MemoryLog) -> None:
    for _ in range(300):
        log.append(T)
    peer = await Peer(hub, ANN).opened()
    peer.reads.clear()
    resuming = asyncio.create_task(resumed(hub, peer, log, 0))
    await eventually(lambda: waiting(peer))
    assert not resuming.done()
    for _ in range(20):
        await hub.wake(log.append(T))
    peer.reads.set()
    await resuming
    await peer.until(lambda: 321 in peer.seqs(T))
    assert peer.seqs(T) == list(range(1, 322))
    await hub.wake(log.append(T))
    await peer.until(lambda: 322 in peer.seqs(T))
    assert peer.closed is None
    await peer.leave()


async def waiting(peer: Peer) -> bool:
    return peer.socket._roomy is not None


async def test_resuming_waits_for_room_within_a_page_too(hub: Hub, log: MemoryLog) -> None:
    for _ in range(10):
        log.append(T, text="x" * 30_000)
    peer = await Peer(hub, ANN).opened()
    peer.reads.clear()
    resuming = asyncio.create_task(resumed(hub, peer, log, 0))
    await eventually(lambda: waiting(peer))
    peer.reads.set()
    await resuming
    await peer.until(lambda: 11 in peer.seqs(T))
    assert peer.closed is None
    await peer.leave()


async def test_a_reader_that_stalls_while_it_resumes_holds_no_page(log: MemoryLog) -> None:
    """However many of its topics resume at once: they are read in turns, and what found no room is read again."""
    pages = Pages(log)
    hub = Wire().hub(log, queue_frames=50, page=40)
    topics = [T, *(uuid7() for _ in range(20))]
    for topic in topics:
        log.append(topic, joined=[ANN])
        for _ in range(100):
            log.append(topic)
    heads = {topic: log.last(topic) for topic in topics}
    peer = await Peer(hub, ANN).opened()
    peer.reads.clear()
    resuming = [
        asyncio.create_task(hub.resume(peer.socket, {topic: (head, 0)}, encoded("subscribed")))
        for topic, head in heads.items()
    ]
    await eventually(lambda: waiting(peer))
    reads = log.reads
    for _ in range(1_000):  # steps of the loop in which the others would read
        await asyncio.sleep(0)
    assert log.reads <= reads + 1
    assert pages.held() == 0
    assert peer.socket._count <= 50
    peer.reads.set()
    await asyncio.gather(*resuming)
    await peer.until(lambda: all(peer.seqs(topic)[-1:] == [head] for topic, head in heads.items()))
    assert all(peer.seqs(topic) == list(range(1, head + 1)) for topic, head in heads.items())
    assert pages.most == 1
    assert log.reads < 4 * sum(heads.values()) / 12, "each turn is worth its while"
    await peer.leave()


class Page(list[LogFrame]):
    """Tells whether it is held."""


class Pages:
    """What a log's readers hold of it: `most` at once."""

    def __init__(self, log: MemoryLog) -> None:
        self._frames, self._given = log.frames, list[weakref.ref[Page]]()
        self.most = 0
        log.chance = random.Random(1)
        log.frames = self._counted  # type: ignore[method-assign] # the same, counted

    async def _counted(self, topic: UUID, after: int, limit: int) -> Sequence[LogFrame]:
        page = Page(await self._frames(topic, after, limit))
        self._given.append(weakref.ref(page))
        self.most = max(self.most, self.held())
        return page

    def held(self) -> int:
        return sum(each() is not None for each in self._given)


@pytest.mark.parametrize("size", [20, 500, 60_000])
async def test_a_reader_that_stalls_costs_less_than_a_mebibyte(log: MemoryLog, size: int) -> None:
    """Even where nobody else has the frames that wait for it."""
    peer = await Peer(Wire().hub(log), ANN).opened()
    peer.reads.clear()
    tracemalloc.start()
    try:
        before, most, n = tracemalloc.get_traced_memory()[0], 0, 1_000
        while not peer.socket.is_closing:
            peer.socket.push(Frame(b"x" * size, (T, n := n + 1)))
            most = max(most, tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert most < 1024 * 1024 - DirectWebSocket.WAITING
    assert n > 1_010, "so much may wait"
    peer.reads.set()
    await peer.until_closed()


class Stops(Peer):
    """Takes ten entries and no more."""

    async def _take(self, event: Any) -> None:
        await super()._take(event)
        if len(self.of_type("entry")) == 10:
            self.reads.clear()


async def test_what_a_reader_has_taken_is_not_kept_until_it_has_taken_all(hub: Hub, log: MemoryLog) -> None:
    peer = await Stops(hub, ANN).opened()
    await hub.wake(*[log.append(T, text="mine") for _ in range(40)])
    await peer.until(lambda: not peer.reads.is_set())
    held = [each for each in gc.get_objects() if type(each) is Frame and b'"mine"' in each.data]
    assert len(held) <= 31
    peer.reads.set()
    await peer.leave()


async def test_resuming_twice_starts_over(hub: Hub, log: MemoryLog) -> None:
    for _ in range(60):
        log.append(T)
    peer = await Peer(hub, ANN).opened()
    await asyncio.gather(resumed(hub, peer, log, 0), resumed(hub, peer, log, 40))
    await peer.until(lambda: 61 in peer.seqs(T))
    second = max(n for n, each in enumerate(peer.got) if each["type"] == "subscribed")
    assert [each["seq"] for each in peer.got[second + 1 :]] == list(range(41, 62))
    await peer.leave()


async def test_whoever_missed_nothing_is_live_without_a_read(hub: Hub, log: MemoryLog) -> None:
    peer, other = await Peer(hub, ANN).opened(), await Peer(hub, ANN).opened()
    await hub.wake(log.append(T))
    await peer.until(lambda: peer.has(T, log.last(T)))
    reads, head = log.reads, log.last(T)
    await hub.resume(peer.socket, {T: (head, head)}, encoded("subscribed"))
    await hub.wake(log.append(T))
    await peer.until(lambda: peer.has(T, log.last(T)))
    assert (log.reads, peer.seqs(T)) == (reads, other.seqs(T))
    behind = log.last(T) - 1
    await hub.resume(peer.socket, {T: (behind, behind)}, encoded("subscribed"))
    await peer.until(lambda: peer.seqs(T).count(log.last(T)) == 2)
    assert log.reads > reads, "it was told before, and is told again behind the answer"
    for each in (peer, other):
        await each.leave()


async def test_a_sweep_looks_back_to_where_a_commit_began_that_lasts(
    hub: Hub, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    began = datetime.now(UTC) - timedelta(seconds=100)
    unseen: list[datetime | None] = [None, began, None, None, began - timedelta(days=1), None]

    async def heads(since: UUID) -> list[Head]:
        asked.append(datetime.fromtimestamp((since.int >> 80) / 1000, UTC))
        return []

    async def unseen_since() -> datetime | None:
        return unseen.pop(0)

    monkeypatch.setattr(log, "heads", heads)
    monkeypatch.setattr(log, "unseen_since", unseen_since)
    peer = await Peer(hub, ANN).opened()
    while unseen:
        await hub.sweep()
    await peer.leave()
    window, now = timedelta(seconds=hub.settings.window_s), datetime.now(UTC)
    reached = [each < began - window + timedelta(seconds=1) for each in asked]
    assert reached == [False, True, True, False, True, True], "and once more when it has ended"
    assert asked[-1] > now - window - timedelta(seconds=hub.settings.stalled_s + 60), "but not for ever"


async def test_the_entries_that_nobody_brought_are_counted(hub: Hub, log: MemoryLog) -> None:
    peer = await Peer(hub, ANN).opened()
    healed = value(FRAMES_HEALED)
    log.append(T)
    log.append(T)
    await hub.wake(log.append(T))
    await peer.until(lambda: peer.seqs(T) == [2, 3, 4])
    assert value(FRAMES_HEALED) == healed + 2
    await peer.leave()


async def test_a_log_that_cannot_be_read_is_read_later(hub: Hub, log: MemoryLog) -> None:
    peer = await Peer(hub, ANN).opened()
    log.is_down = True
    log.append(T)
    await hub.wake(log.append(T))
    reads = log.reads
    await eventually(lambda: more_than(log, reads + 1))
    log.is_down = False
    await peer.until(lambda: peer.seqs(T) == [2, 3])
    await peer.leave()


async def more_than(log: MemoryLog, reads: int) -> bool:
    return log.reads > reads


async def test_frames_are_answered_in_bounded_tasks_in_their_order(log: MemoryLog) -> None:
    hub = Wire().hub(log, frames_in_flight=4)
    peer = Peer(hub, ANN)
    started: list[str | bytes] = []
    gate = asyncio.Event()

    async def work(raw: str | bytes) -> None:
        started.append(raw)
        await gate.wait()

    peer.on_frame = work
    await peer.opened()
    for n in range(10):
        peer.say(f"{n}")
    await eventually(lambda: as_many(started, 4))
    assert started == ["0", "1", "2", "3"]
    assert peer.sent.qsize() == 6, "the peer is not read meanwhile"
    gate.set()
    await eventually(lambda: as_many(started, 10))
    assert started == [f"{n}" for n in range(10)]
    await peer.leave()


async def as_many(started: list[Any], count: int) -> bool:
    return len(started) >= count


async def test_drain_answers_what_was_taken_and_sends_everybody_elsewhere(hub: Hub) -> None:
    peer, idle = Peer(hub, ANN), await Peer(hub, BEN).opened()
    gate = asyncio.Event()

    async def work(raw: str | bytes) -> None:
        await gate.wait()
        await hub.to_users([ANN], encoded("answer"))

    peer.on_frame = work
    await peer.opened()
    peer.say("question")
    await eventually(lambda: busy(peer))
    draining = asyncio.create_task(hub.drain())
    assert (await idle.until_closed())[0] == 1012
    assert peer.closed is None
    peer.say("too late")
    gate.set()
    code, reason = await peer.until_closed()
    assert code == 1012
    assert 0 <= int(reason.removeprefix("retry_ms=")) <= hub.settings.restart_spread_ms
    await draining
    assert len(peer.of_type("answer")) == 1
    assert (await Peer(hub, ANN).start().until_closed())[0] == 1012


async def busy(peer: Peer) -> bool:
    return bool(peer.socket._tasks)


async def test_an_end_that_nobody_told_is_found_in_turns(
    hub: Hub, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plaza.core.realtime.hub._CHECKED_AT_ONCE", 2)
    topics = [uuid7() for _ in range(5)]
    for topic in topics:
        log.append(topic, joined=[ANN])
    ann = await Peer(hub, ANN).opened()
    log.ends.update(topics)
    for _ in range(3):
        await hub.sweep()
    await ann.until(lambda: len(ann.of_type("ended")) == 5)
    assert hub.topics.by_id.keys().isdisjoint(topics)
    await ann.leave()


async def test_nothing_is_kept_of_those_who_went(hub: Hub, log: MemoryLog) -> None:
    open_ones = value(SOCKETS)
    peers = [await Peer(hub, each).opened() for each in (ANN, ANN, BEN)]
    assert value(SOCKETS) == open_ones + 3
    for peer in peers:
        await resumed(hub, peer, log, 0)
        await peer.leave()
    assert value(SOCKETS) == open_ones
    assert (hub.topics.by_id, hub.topics.sockets_of, hub._sockets, hub._of_session) == ({}, {}, {}, {})


def test_a_packet_of_another_version_is_passed_over() -> None:
    heard: list[object] = []
    bus = Bus(Redis(), heard.extend, lambda: None)
    bus._unpack(packet(99, "what is this?"))
    bus._unpack(b"nonsense")
    bus._unpack(packet(5, "colour", [ANN.bytes]))
    assert heard == [Signal("colour", (ANN,))]


def packet(*item: object) -> bytes:
    return msgspec.msgpack.encode([uuid7().bytes, [item]])

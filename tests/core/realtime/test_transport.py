"""Frames written beside the protocol: spelled as the standard has it, and in one order with those that had to wait."""

from __future__ import annotations

import random

import msgspec
import pytest
from redis.asyncio import Redis
from websockets.frames import Frame as Judge
from websockets.frames import Opcode

from plaza.core.ids import uuid7
from plaza.core.realtime import Frame, Hub, RealtimeSettings
from plaza.core.realtime.transport import framed
from tests.core.realtime.world import MemoryLog, Peer, encoded


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_spelled_as_by_the_library(size: int) -> None:
    payload = random.Random(size).randbytes(size)
    for binary, opcode in ((True, Opcode.BINARY), (False, Opcode.TEXT)):
        assert framed(payload, binary=binary) == Judge(opcode, payload).serialize(mask=False)


def test_a_frame_is_spelled_once_for_each_protocol() -> None:
    frame = Frame(encoded("hello"))
    assert frame.wire(binary=False) == framed(frame.data, binary=False)
    packed = msgspec.msgpack.encode(msgspec.json.decode(frame.data))
    assert frame.wire(binary=True) == framed(packed, binary=True)
    assert all(frame.wire(binary=binary) is frame.wire(binary=binary) for binary in (True, False))


@pytest.mark.parametrize("seed", range(20))
async def test_what_is_taken_at_once_and_what_has_to_wait_keep_their_order(seed: int) -> None:
    chance = random.Random(seed)
    hub = Hub(Redis(), RealtimeSettings())  # never connected
    hub.log = MemoryLog(chance)
    peer = await Peer(hub, uuid7(), binary=bool(seed % 2)).opened()
    peer.takes = lambda: chance.random() < 0.7
    for n in range(200):
        peer.socket.push(Frame(encoded("told", n=n)))
        if chance.random() < 0.2:
            (peer.reads.clear if chance.random() < 0.5 else peer.reads.set)()
            await hub.log.topics_of(peer.socket.user_id)  # a few steps of the loop
    peer.reads.set()
    await peer.until(lambda: len(peer.of_type("told")) == 200)
    assert [each["n"] for each in peer.of_type("told")] == list(range(200))
    assert 0 < peer.taken_at_once < 200, "both ways were gone"
    await peer.leave()

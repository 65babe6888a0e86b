"""Two hubs behind one real Valkey that is cut, killed, frozen and restarted: what was committed arrives, once and in order."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.core.ids import uuid7
from plaza.core.realtime import Hub, RealtimeSettings
from plaza.dev.embedded import Valkey, throwaway_folder
from tests.core.realtime.world import MemoryLog, Peer, encoded
from tests.support.waiting import eventually

NEVER = 1_000_000.0
T, ANN, BEN = uuid7(), uuid7(), uuid7()

Start = Callable[..., Any]


@pytest.fixture
async def valkey() -> AsyncIterator[Valkey]:
    with throwaway_folder() as folder:
        server = Valkey(folder, durable=False)
        await server.start()
        yield server
        await server.stop()


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    log.append(T, joined=[ANN, BEN])
    return log


@pytest.fixture
async def start(valkey: Valkey, log: MemoryLog) -> AsyncIterator[Start]:
    """A hub as in a process of its own, listening."""
    started: list[Hub] = []
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Hub:
            hub = await stack.enter_async_context(running(valkey, log, len(started) + 1, **settings))
            started.append(hub)
            return hub

        yield start


@asynccontextmanager
async def running(valkey: Valkey, log: MemoryLog, number: int, **settings: Any) -> AsyncIterator[Hub]:
    async with Redis.from_url(valkey.url, socket_timeout=2, socket_connect_timeout=2) as redis:
        hub = Hub(redis, RealtimeSettings(**settings))
        hub.log = log
        task = asyncio.create_task(hub.run())
        try:
            await eventually(lambda: listens(redis, hub, number))
            yield hub
        finally:
            task.cancel()
            await asyncio.wait([task])


async def listens(redis: Redis, hub: Hub, count: int) -> bool:
    try:
        ((_, listeners),) = await redis.pubsub_numsub(hub.bus._channel)
    except (RedisError, OSError):
        return False
    return bool(listeners >= count)


async def restart(valkey: Valkey) -> None:
    await valkey.stop()
    await valkey.start()


async def test_a_wake_up_reaches_the_other_process(start: Start, log: MemoryLog) -> None:
    here, there = await start(sweep_s=NEVER), await start(sweep_s=NEVER)
    peer = await Peer(there, ANN).opened()
    await here.wake(log.append(T), log.append(T))
    await here.to_topic(T, encoded("aside"))
    await peer.until(lambda: peer.of_type("aside"))
    assert peer.seqs(T) == [2, 3]
    assert log.reads == 1, "nothing was read but the topics of the user"
    await peer.leave()


async def test_the_own_echo_is_not_heard(start: Start, log: MemoryLog) -> None:
    here, there = await start(sweep_s=NEVER), await start(sweep_s=NEVER)
    mine, theirs = await Peer(here, ANN).opened(), await Peer(there, ANN).opened()
    await here.to_users([ANN], encoded("once"))
    await there.to_users([ANN], encoded("end"))
    for peer in (mine, theirs):
        await peer.until(partial(peer.of_type, "once"))
        await peer.until(partial(peer.of_type, "end"))
        assert len(peer.of_type("once")) == 1
        await peer.leave()


async def test_who_died_between_commit_and_publishing_is_heard_by_the_sweep(start: Start, log: MemoryLog) -> None:
    hubs = [await start(sweep_s=0.05), await start(sweep_s=0.05)]
    peers = [await Peer(hub, ANN).opened() for hub in hubs]
    joining = await Peer(hubs[0], uuid7()).opened()
    log.append(T)
    log.append(T, joined=[joining.socket.user_id])
    for peer in peers:
        await peer.until(partial(peer.has, T, 3))
        assert peer.seqs(T) == [2, 3]
    await joining.until(lambda: joining.seqs(T) == [3])
    for peer in (*peers, joining):
        await peer.leave()


async def test_a_cut_line_is_made_again_and_what_was_missed_is_read_at_once(
    start: Start, log: MemoryLog, valkey: Valkey
) -> None:
    here, there = await start(sweep_s=NEVER), await start(sweep_s=NEVER)
    peer = await Peer(there, ANN).opened()
    async with Redis.from_url(valkey.url) as redis:
        log.append(T)  # nobody says so
        await redis.client_kill_filter(_type="pubsub")
        await peer.until(lambda: peer.seqs(T) == [2])
        await eventually(lambda: listens(redis, here, 2))
    await here.wake(log.append(T))
    await peer.until(lambda: peer.seqs(T) == [2, 3])
    await peer.leave()


async def test_without_valkey_the_own_sockets_hear_at_once_and_the_others_by_the_sweep(
    start: Start, log: MemoryLog, valkey: Valkey
) -> None:
    here, there = await start(sweep_s=NEVER), await start(sweep_s=0.05)
    mine, theirs = await Peer(here, ANN).opened(), await Peer(there, ANN).opened()
    valkey.kill()
    await valkey.exited()
    await here.wake(log.append(T))
    await mine.until(lambda: mine.seqs(T) == [2])
    await theirs.until(lambda: theirs.seqs(T) == [2])
    await valkey.start()
    async with Redis.from_url(valkey.url) as redis:
        await eventually(lambda: listens(redis, here, 2))
    await here.to_users([ANN], encoded("again"))
    await theirs.until(lambda: theirs.of_type("again"))
    for peer in (mine, theirs):
        await peer.leave()


async def test_a_frozen_valkey_holds_nobody_up(start: Start, log: MemoryLog, valkey: Valkey) -> None:
    here, there = await start(sweep_s=NEVER), await start(sweep_s=0.05)
    mine, theirs = await Peer(here, ANN).opened(), await Peer(there, ANN).opened()
    valkey.send(signal.SIGSTOP)
    try:
        await here.wake(log.append(T))
        await mine.until(lambda: mine.seqs(T) == [2])
        await theirs.until(lambda: theirs.seqs(T) == [2])
    finally:
        valkey.send(signal.SIGCONT)
    for peer in (mine, theirs):
        await peer.leave()


async def test_through_kills_and_restarts_every_reader_gets_the_log(
    start: Start, log: MemoryLog, valkey: Valkey
) -> None:
    chance = random.Random(7)
    topics = [uuid7() for _ in range(5)]
    for topic in topics:
        log.append(topic, joined=[ANN, BEN])
    hubs = [await start(sweep_s=0.05), await start(sweep_s=0.05)]
    peers = [await Peer(hub, user).opened() for hub in hubs for user in (ANN, BEN)]

    async def load() -> None:
        for _ in range(2_000):
            wake = log.append(chance.choice(topics))
            if chance.random() < 0.95:
                await chance.choice(hubs).wake(wake)
            await asyncio.sleep(0)

    async def trouble() -> None:
        for _ in range(3):
            await asyncio.sleep(0.05)
            await restart(valkey)

    await asyncio.gather(load(), trouble())
    for peer in peers:
        for topic in topics:
            await peer.until(partial(peer.has, topic, log.last(topic)))
            assert peer.seqs(topic) == list(range(2, log.last(topic) + 1))
        await peer.leave()

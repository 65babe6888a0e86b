"""One Redis channel between all processes. What is said on it may be lost, doubled or late: nothing that matters depends on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import TypeAlias
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from plaza.core.ids import uuid7
from plaza.core.realtime.log import Wake

log = structlog.get_logger(__name__)


class ToTopic(msgspec.Struct, frozen=True, array_like=True, tag=2):
    topic: UUID
    frame: bytes
    but_user: UUID | None = None


class ToUsers(msgspec.Struct, frozen=True, array_like=True, tag=3):
    users: tuple[UUID, ...]
    frame: bytes
    topic: UUID | None = None


class CloseSockets(msgspec.Struct, frozen=True, array_like=True, tag=4):
    sockets: tuple[UUID, ...]
    code: int


class Signal(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A word to the same part of every process."""

    name: str
    ids: tuple[UUID, ...]


Item: TypeAlias = Wake | ToTopic | ToUsers | CloseSockets | Signal


class _Packet(msgspec.Struct, frozen=True, array_like=True):
    origin: UUID
    items: list[Item]


_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(_Packet)


class Bus:
    """`receive` gets the items of other processes; `connected` is called whenever listening has begun (again)."""

    WAITING = 20_000  # items kept while Redis is slow; beyond that the oldest are lost
    PACKET = 100  # items
    RETRY_S = 0.1
    PROBE_S = 5.0  # a half-open connection is noticed after twice that

    def __init__(self, redis: Redis, receive: Callable[[Sequence[Item]], None], connected: Callable[[], None]) -> None:
        self._redis, self._receive, self._connected = redis, receive, connected
        self._origin = uuid7()
        # Pub/sub knows no database numbers: without this, programs that share a server would hear each other.
        number = redis.connection_pool.connection_kwargs.get("db") or 0
        self._channel = f"plaza:{number}:realtime"
        self._waiting: deque[Item] = deque(maxlen=self.WAITING)
        self._sending: asyncio.Task[None] | None = None

    def publish(self, items: Sequence[Item]) -> None:
        """Never waits. What piles up while Redis answers goes with the next packet."""
        self._waiting.extend(items)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), context=Context())

    async def _send(self) -> None:
        try:
            while self._waiting:
                items = [self._waiting.popleft() for _ in range(min(self.PACKET, len(self._waiting)))]
                try:
                    await self._redis.publish(self._channel, _encoder.encode(_Packet(self._origin, items)))
                except (RedisError, OSError) as error:  # the sweep of the others heals it
                    log.warning("realtime_publish_failed", error=repr(error), items=len(items) + len(self._waiting))
                    self._waiting.clear()
        finally:
            self._sending = None

    async def run(self) -> None:
        """Listens until cancelled; a lost connection is made again."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(self._channel)
                    await self._listen(channel)
            except (RedisError, OSError) as error:
                log.warning("realtime_disconnected", error=repr(error))
            _raise_if_cancelled()
            await asyncio.sleep(self.RETRY_S)

    async def _listen(self, channel: PubSub) -> None:
        is_probed = False
        while True:
            _raise_if_cancelled()
            message = await channel.get_message(timeout=self.PROBE_S)
            if message is None:
                if is_probed:
                    return
                is_probed = True
                await channel.ping()
                continue
            is_probed = False
            if message["type"] == "subscribe":
                self._connected()
            elif message["type"] == "message":
                self._unpack(message["data"])

    def _unpack(self, data: bytes) -> None:
        try:
            packet = _decoder.decode(data)
        except msgspec.DecodeError as error:  # of another version, while processes are replaced one by one
            log.warning("realtime_packet_unreadable", error=str(error))
            return
        if packet.origin != self._origin:
            self._receive(packet.items)

    async def close(self) -> None:
        """Says what is still waiting."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=2)


def _raise_if_cancelled() -> None:
    """redis-py loses cancellations: in Python 3.11's `asyncio.wait_for`, and where closing a broken line raises an error of its own."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

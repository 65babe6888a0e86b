"""Presence in Redis, and in PostgreSQL who may see whose.

    plaza:presence:<user>         sorted set: device -> its last heartbeat (seconds); stale ones go with the next heartbeat
    plaza:presence:chosen:<user>  the status that the user chose, and when
    plaza:presence:seen           sorted set: user -> last heartbeat of any device

Nothing here outlives a flushed Redis, and nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from plaza.chat.schemas.presence import Status
from plaza.core.db import Database
from plaza.core.errors import Unavailable
from plaza.core.service import outside

_SEEN = "plaza:presence:seen"
_KEPT = timedelta(days=90)
_AT_ONCE = 500  # users of one pipeline: packing more would hold up everybody else

# Put together in Python: a statement that pairs people has a good plan only while PostgreSQL knows how many they are, and takes seconds
# once it plans for any number.
_ROOMS = text("""
select p.user_id, array_agg(p.conversation_id) as rooms
from chat_participant p
join chat_conversation c on c.id = p.conversation_id and c.deleted_at is null
where p.left_at is null and p.user_id = any(cast(:people as uuid[]))
group by p.user_id
""")
_BLOCKS = text("""
select user_id, blocked_id from chat_block
where user_id = any(cast(:others as uuid[])) and blocked_id = any(cast(:users as uuid[]))
""")
_NOWHERE: frozenset[UUID] = frozenset()


class Chosen(msgspec.Struct, frozen=True, array_like=True):
    status: Status
    at: float


class Trace(msgspec.Struct, frozen=True):
    """What is known of somebody. `seen_at` in seconds."""

    is_here: bool
    chosen: Chosen | None
    seen_at: float | None


class PresenceRepository:
    ALIVE = timedelta(seconds=60)

    def __init__(self, db: Database, redis: Redis) -> None:
        self.db, self.redis = db, redis

    async def acquainted(self, asked: Collection[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
        """Those pairs (user, other) of which the other shares a live conversation with the user, and has not blocked him."""
        users, others = {each[0] for each in asked}, {each[1] for each in asked}
        async with self.db.reading(fresh=True) as connection:
            found = await connection.execute(_ROOMS, {"people": list(users | others)})
            rooms = {user: frozenset(their) for user, their in found}
            blocks = await connection.execute(_BLOCKS, {"users": list(users), "others": list(others)})
            parted = {(blocked, user) for user, blocked in blocks}
        return {
            (user, other)
            for user, other in set(asked) - parted
            if not rooms.get(user, _NOWHERE).isdisjoint(rooms.get(other, _NOWHERE))
        }

    @outside
    async def beat(self, devices: Mapping[UUID, Collection[str]], now: datetime) -> dict[UUID, list[str]]:
        """A heartbeat of these devices. Answers each user's living devices. Raises Unavailable."""
        users, alive = list(devices), dict[UUID, list[str]]()
        for start in range(0, len(users), _AT_ONCE):
            part = {each: devices[each] for each in users[start : start + _AT_ONCE]}
            alive |= await self._beat(part, now)
        return alive

    async def _beat(self, devices: Mapping[UUID, Collection[str]], now: datetime) -> dict[UUID, list[str]]:
        pipeline = self.redis.pipeline(transaction=False)
        at = now.timestamp()
        for user_id, names in devices.items():
            key = _devices(user_id)
            pipeline.zadd(key, dict.fromkeys(names, at))
            pipeline.zremrangebyscore(key, "-inf", at - self.ALIVE.total_seconds())
            pipeline.expire(key, 2 * self.ALIVE)
            pipeline.zrange(key, 0, -1)
        pipeline.zadd(_SEEN, {str(each): at for each in devices})
        pipeline.zremrangebyscore(_SEEN, "-inf", at - _KEPT.total_seconds())
        with _unavailable():
            answers = await pipeline.execute()
        return {user_id: [each.decode() for each in answers[4 * n + 3]] for n, user_id in enumerate(devices)}

    @outside
    async def drop(self, devices: Mapping[UUID, Collection[str]]) -> None:
        """These devices are gone. Raises Unavailable."""
        pipeline = self.redis.pipeline(transaction=False)
        for user_id, names in devices.items():
            pipeline.zrem(_devices(user_id), *names)
        with _unavailable():
            await pipeline.execute()

    @outside
    async def forget(self, user_id: UUID) -> None:
        """Raises Unavailable."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.delete(_devices(user_id), _chosen(user_id))
        pipeline.zrem(_SEEN, str(user_id))
        with _unavailable():
            await pipeline.execute()

    @outside
    async def choose(self, user_id: UUID, status: Status, now: datetime) -> None:
        """Raises Unavailable."""
        chosen = msgspec.json.encode(Chosen(status, now.timestamp()))
        with _unavailable():
            await self.redis.set(_chosen(user_id), chosen, ex=_KEPT)

    @outside
    async def traces(self, user_ids: Sequence[UUID], now: datetime) -> dict[UUID, Trace]:
        """Raises Unavailable."""
        if not user_ids:
            return {}
        alive_since = (now - self.ALIVE).timestamp()
        pipeline = self.redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.zcount(_devices(user_id), f"({alive_since}", "+inf")
        pipeline.mget([_chosen(each) for each in user_ids])
        pipeline.zmscore(_SEEN, [str(each) for each in user_ids])
        with _unavailable():
            *living, chosen, seen = await pipeline.execute()
        return {
            user_id: Trace(bool(here), None if raw is None else msgspec.json.decode(raw, type=Chosen), seen_at)
            for user_id, here, raw, seen_at in zip(user_ids, living, chosen, seen, strict=True)
        }


def _devices(user_id: UUID) -> str:
    return f"plaza:presence:{user_id}"


def _chosen(user_id: UUID) -> str:
    return f"plaza:presence:chosen:{user_id}"


@contextmanager
def _unavailable() -> Iterator[Any]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(retry_after=1) from error

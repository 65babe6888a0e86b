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

# Whoever of all of these is together with whom, first: pair by pair it took twenty times as long.
_ACQUAINTED = text("""
with together as materialized (
  select distinct mine.user_id, other.user_id as other_id
  from chat_participant mine
  join chat_conversation c on c.id = mine.conversation_id and c.deleted_at is null
  join chat_participant other on other.conversation_id = mine.conversation_id and other.left_at is null
  where mine.left_at is null and mine.user_id = any(cast(:users as uuid[])) and other.user_id = any(cast(:others as uuid[]))
)
select user_id, other_id from together
join unnest(cast(:users as uuid[]), cast(:others as uuid[])) as asked(user_id, other_id) using (user_id, other_id)
where not exists (select from chat_block b where b.user_id = other_id and b.blocked_id = together.user_id)
""")


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
        parameters = {"users": [each[0] for each in asked], "others": [each[1] for each in asked]}
        async with self.db.reading(fresh=True) as connection:
            return {(user, other) for user, other in await connection.execute(_ACQUAINTED, parameters)}

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

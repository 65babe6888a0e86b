"""What passkeys and device keys sign, kept in Redis: gone after the first try, right or wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from plaza.core.service import outside
from plaza.identity.gateways.parts import unavailable
from plaza.identity.schemas import StoredChallenge


class ChallengeStore:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    @outside
    async def put(self, handle: str, challenge: StoredChallenge, seconds: int) -> None:
        """`handle` is what the answer names it by. Raises Unavailable."""
        with unavailable():
            await self.redis.set(_key(handle), msgspec.json.encode(challenge), ex=seconds)

    @outside
    async def take(self, handle: str) -> StoredChallenge | None:
        """Raises Unavailable."""
        with unavailable():
            found = await cast(Awaitable[Any], self.redis.getdel(_key(handle)))
        return msgspec.json.decode(found, type=StoredChallenge) if found is not None else None


def _key(handle: str) -> str:
    return f"plaza:challenge:{hashlib.sha256(handle.encode()).hexdigest()}"

"""What the staff site keeps in Redis: visits. They may be lost, and then staff log in again; without Redis nobody gets in."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.admin.schemas import AdminSettings, StoredVisit, Tokens
from plaza.core.crypto import CannotUnseal, Sealed, Vault
from plaza.core.errors import Unavailable
from plaza.core.service import outside


class VisitStore:
    """By the hash of what the cookie holds. The tokens are sealed, and apart from when the visit was last seen: a request that only

    was seen must not write back tokens that another one has renewed meanwhile.
    """

    def __init__(self, redis: Redis, vault: Vault, settings: AdminSettings) -> None:
        self.redis, self.vault, self.idle_s = redis, vault, settings.idle_s

    @outside
    async def put(self, hash: str, tokens: Tokens, seen_at: float) -> None:
        await self._set(hash, {"tokens": self.vault.seal(tokens).ciphertext, "seen_at": seen_at})

    @outside
    async def seen(self, hash: str, at: float) -> None:
        await self._set(hash, {"seen_at": at})

    @outside
    async def get(self, hash: str) -> StoredVisit | None:
        with _unavailable():
            found = await cast(Awaitable[dict[bytes, bytes]], self.redis.hgetall(_key(hash)))
        if b"tokens" not in found:
            return None
        try:
            tokens = self.vault.open(Sealed[Tokens](found[b"tokens"].decode()), Tokens)
        except CannotUnseal:
            return None
        return StoredVisit(tokens, float(found[b"seen_at"]))

    @outside
    async def remove(self, hash: str) -> None:
        with _unavailable():
            await self.redis.delete(_key(hash))

    async def _set(self, hash: str, fields: dict[str, Any]) -> None:
        with _unavailable():
            async with self.redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(_key(hash), mapping=fields)
                pipeline.expire(_key(hash), self.idle_s)
                await pipeline.execute()


def _key(hash: str) -> str:
    return f"plaza:admin:{hash}"


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(retry_after=1) from error

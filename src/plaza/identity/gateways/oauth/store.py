"""Logins on their way, in Redis: each can be taken once, whoever else asks at the same time, and is sealed while it lies there."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec
from redis.asyncio import Redis

from plaza.core.clock import Clock
from plaza.core.crypto import CannotUnseal, Sealed, Vault
from plaza.core.service import outside
from plaza.identity.gateways.parts import unavailable
from plaza.identity.schemas import Arrival, Departure

K = TypeVar("K", Departure, Arrival)


class OAuthStore:
    """Everything here raises Unavailable where Redis does not answer."""

    def __init__(self, redis: Redis, clock: Clock, vault: Vault) -> None:
        self.redis, self.clock, self.vault = redis, clock, vault

    @outside
    async def put(self, secret: str, kept: Departure | Arrival) -> None:
        seconds = max(1, round((kept.expires_at - self.clock.now()).total_seconds()))
        sealed = self.vault.seal(kept).ciphertext
        with unavailable():
            await self.redis.set(_name(type(kept), secret), sealed, ex=seconds)

    @outside
    async def take(self, secret: str, kind: type[K]) -> K | None:
        with unavailable():
            found = await cast(Awaitable[Any], self.redis.getdel(_name(kind, secret)))
        if found is None:
            return None
        ciphertext = found.decode() if isinstance(found, bytes) else str(found)
        try:
            kept = self.vault.open(Sealed[K](ciphertext), kind)
        except (CannotUnseal, msgspec.ValidationError):
            return None
        return kept if kept.expires_at > self.clock.now() else None

    @outside
    async def is_first_use(self, token: str, until: datetime) -> bool:
        """Remembers an id token for as long as it is valid."""
        seconds = max(1, round((until - self.clock.now()).total_seconds()) + 60)
        with unavailable():
            return bool(await self.redis.set(f"plaza:id-token:{_hash(token)}", b"1", ex=seconds, nx=True))


def _name(kind: type[Departure] | type[Arrival], secret: str) -> str:
    return f"plaza:oauth:{kind.__name__.lower()}:{_hash(secret)}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

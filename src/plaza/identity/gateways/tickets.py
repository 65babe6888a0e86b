"""Socket tickets, kept in Redis."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from plaza.core.service import outside
from plaza.identity.gateways.parts import unavailable
from plaza.identity.schemas import StoredTicket


class TicketStore:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    @outside
    async def put(self, hash: str, ticket: StoredTicket, seconds: int) -> None:
        """Raises Unavailable."""
        with unavailable():
            await self.redis.set(f"plaza:ticket:{hash}", msgspec.json.encode(ticket), ex=seconds)

    @outside
    async def take(self, hash: str) -> StoredTicket | None:
        """Gone afterwards, whoever else asks at the same time. Raises Unavailable."""
        with unavailable():
            found = await cast(Awaitable[Any], self.redis.getdel(f"plaza:ticket:{hash}"))
        return msgspec.json.decode(found, type=StoredTicket) if found is not None else None

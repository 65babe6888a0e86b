"""Rate limits in two kinds.

`count` is for ordinary routes: fixed windows counted in this process and settled with Redis once a second, so that a request asks
nobody; several processes together may let through what arrives between two settlements. Without Redis each process counts alone.
`hit` is for credentials: a moving window in Redis, asked each time; without Redis it refuses.
Limits are spelled as the `limits` library reads them: "10/minute", "30 per 10 second".
"""

from __future__ import annotations

import asyncio
import math
import time
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.core.errors import RateLimited, Unavailable, Window

log = structlog.get_logger(__name__)


class RateLimitSettings(msgspec.Struct, frozen=True):
    enabled: bool = True
    anonymous: str = "120/minute"
    signed_in: str = "600/minute"
    api_key: str = "600/minute"

    def __post_init__(self) -> None:
        for name in ("anonymous", "signed_in", "api_key"):
            try:
                parse(getattr(self, name))
            except ValueError:
                raise ValueError(f"{name} must read like 120/minute") from None


class _Count:
    __slots__ = ("ends_at", "settled", "unsettled")

    def __init__(self, ends_at: float) -> None:
        self.settled, self.unsettled, self.ends_at = 0, 0, ends_at


class RateLimits:
    SETTLE_S = 1.0

    def __init__(self, redis: Redis, settings: RateLimitSettings) -> None:
        self.redis, self.settings = redis, settings
        pool: Any = redis.connection_pool  # the library types its options as plain values
        storage = RedisStorage(
            "async+redis://", connection_pool=pool, implementation="redispy", key_prefix="plaza:limit"
        )
        self._strict = MovingWindowRateLimiter(storage)
        self._counts: dict[tuple[str, object, int, int], _Count] = {}

    def count(self, name: str, key: str | UUID, limit: str) -> Window:
        """Raises RateLimited. `key` is who is counted."""
        item = parsed(limit)
        window_s, now = item.get_expiry(), time.time()
        number = int(now // window_s)
        counted = name, key, window_s, number
        count = self._counts.get(counted)
        if count is None:
            count = self._counts[counted] = _Count((number + 1) * window_s)
        used = count.settled + count.unsettled + 1
        reset = count.ends_at - now
        if used > item.amount and self.settings.enabled:
            raise _refusal(item, reset)
        count.unsettled += 1
        return Window(item.amount, window_s, max(0, item.amount - used), max(1, round(reset)))

    async def hit(self, name: str, key: str, limit: str) -> None:
        """Raises RateLimited, and Unavailable where Redis does not answer."""
        if not self.settings.enabled:
            return
        item = parsed(limit)
        try:
            if await self._strict.hit(item, name, key):
                return
            stats = await self._strict.get_window_stats(item, name, key)
        except (RedisError, OSError) as error:
            raise Unavailable(retry_after=1) from error
        raise _refusal(item, stats.reset_time - time.time())

    async def run(self) -> None:
        """Settles once a second, until cancelled."""
        while True:
            await asyncio.sleep(self.SETTLE_S)
            try:
                await self.settle()
            except (RedisError, OSError) as error:
                log.warning("rate_limits_not_settled", error=repr(error))

    async def settle(self) -> None:
        now = time.time()
        for counted in [each for each, count in self._counts.items() if count.ends_at <= now]:
            del self._counts[counted]
        due = [(counted, count, count.unsettled) for counted, count in self._counts.items() if count.unsettled]
        if not due:
            return
        pipeline = self.redis.pipeline(transaction=False)
        for counted, count, amount in due:
            pipeline.incrby(_spelled(counted), amount)
            pipeline.expireat(_spelled(counted), int(count.ends_at) + 1)
        totals = (await pipeline.execute())[::2]
        for (_, count, amount), total in zip(due, totals, strict=True):
            count.settled, count.unsettled = int(total), count.unsettled - amount


def _spelled(counted: tuple[object, ...]) -> str:
    return f"plaza:count:{':'.join(map(str, counted))}"


def _refusal(item: RateLimitItem, reset: float) -> RateLimited:
    wait = max(1.0, reset)
    return RateLimited(retry_after=wait, window=Window(item.amount, item.get_expiry(), 0, math.ceil(wait)))


@cache
def parsed(limit: str) -> RateLimitItem:
    return parse(limit)

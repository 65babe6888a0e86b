from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from plaza.core.errors import RateLimited, Unavailable
from plaza.core.ids import uuid7
from plaza.core.ratelimit import RateLimits, RateLimitSettings


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def key() -> str:
    return str(uuid7())


def limits(redis: Redis, *, enabled: bool = True) -> RateLimits:
    return RateLimits(redis, RateLimitSettings(enabled=enabled))


async def test_counting_refuses_beyond_the_limit_and_says_for_how_long(redis: Redis, key: str) -> None:
    counted = limits(redis)
    windows = [counted.count("read", key, "3/day") for _ in range(3)]
    assert [window.remaining for window in windows] == [2, 1, 0]
    with pytest.raises(RateLimited) as raised:
        counted.count("read", key, "3/day")
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 86_400
    assert counted.count("read", key + "other", "3/day").remaining == 2


async def test_two_processes_settle_into_one_count(redis: Redis, key: str) -> None:
    one, other = limits(redis), limits(redis)
    for _ in range(2):
        one.count("read", key, "4/day")
        other.count("read", key, "4/day")
    await one.settle()
    await other.settle()
    with pytest.raises(RateLimited):
        other.count("read", key, "4/day")
    assert one.count("read", key, "4/day").remaining == 1, "it has not heard of the other's second half yet"
    await one.settle()
    with pytest.raises(RateLimited):
        one.count("read", key, "4/day")


async def test_without_redis_counting_goes_on_and_credentials_are_refused(key: str) -> None:
    nowhere: Redis = Redis(unix_socket_path="/nonexistent/redis.sock")
    alone = limits(nowhere)
    assert alone.count("read", key, "2/day").remaining == 1
    with pytest.raises(RedisError, match="nonexistent"):
        await alone.settle()
    assert alone.count("read", key, "2/day").remaining == 0
    with pytest.raises(Unavailable):
        await alone.hit("login", key, "10/minute")


async def test_hits_are_shared_at_once(redis: Redis, key: str) -> None:
    one, other = limits(redis), limits(redis)
    await one.hit("login", key, "2/minute")
    await other.hit("login", key, "2/minute")
    with pytest.raises(RateLimited) as raised:
        await one.hit("login", key, "2/minute")
    assert raised.value.retry_after is not None
    assert 1 <= raised.value.retry_after <= 60


async def test_disabled_limits_refuse_nothing(redis: Redis, key: str) -> None:
    lifted = limits(redis, enabled=False)
    for _ in range(5):
        lifted.count("read", key, "1/day")
        await lifted.hit("login", key, "1/day")


def test_a_limit_that_cannot_be_read_is_a_wrong_setting() -> None:
    with pytest.raises(ValueError, match="anonymous"):
        RateLimitSettings(anonymous="often")

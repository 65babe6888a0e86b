"""What those who keep things in Redis have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from plaza.core.errors import Unavailable


@contextmanager
def unavailable() -> Iterator[None]:
    """Raises Unavailable where Redis does not answer."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(retry_after=1) from error

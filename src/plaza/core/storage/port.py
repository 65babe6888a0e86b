from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 256 * 1024
MAX_KEY = 512
MAX_LINK_S = 7 * 24 * 3600  # S3's own limit
_SEGMENT = r"[a-z0-9_-][a-z0-9._-]*"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")
_UNSPEAKABLE = re.compile(r'[\x00-\x1f\x7f"\\/]')


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`content` is read once, to its end or closed."""

    size: int
    content_type: str
    content: AsyncIterator[bytes]


class Storage(Protocol):
    """Every call leaves the process, so none is made inside a transaction. What goes wrong outside is raised as it comes: it is "unknown".

    Raises ValueError for what is no key.
    """

    async def put(self, key: str, content: bytes | AsyncIterator[bytes], content_type: str) -> None:
        """All of it appears under the key at its end, in place of what stood there, or nothing does, whatever ends the process."""
        ...

    async def open(self, key: str) -> StoredFile:
        """Raises NoSuchFile."""
        ...

    async def delete(self, key: str) -> None:
        """Nothing happens where nothing is kept."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def signed_url(self, key: str, *, expires_s: int, filename: str) -> str:
        """Whoever has it may download the file, as `filename`, until it expires; at most 7 days."""
        ...

    async def close(self) -> None:
        """At the end of the process."""
        ...


def checked_key(key: str) -> str:
    """Raises ValueError. No segment is empty, begins with a dot or differs from another by case alone."""
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise ValueError(f"not a key of a stored file: {key!r}")
    return key


def checked_expiry(expires_s: int) -> int:
    if not 0 < expires_s <= MAX_LINK_S:
        raise ValueError(f"a link lasts from a second to {MAX_LINK_S} seconds, not {expires_s}")
    return expires_s


def checked_filename(filename: str) -> str:
    if not filename or not filename.isascii() or _UNSPEAKABLE.search(filename):
        raise ValueError(f"not a file name for a header: {filename!r}")
    return filename


async def chunks_of(content: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        yield content
    else:
        async for chunk in content:
            yield chunk

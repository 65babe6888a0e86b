"""Keyset pages with opaque, signed cursors."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any, Generic, TypeVar

import msgspec

from plaza.core.errors import InvalidCursor

T = TypeVar("T")
K = TypeVar("K")

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
_TAG_BYTES = 12  # 96 bits: a cursor names no secret, it only must not be made up


class Page(msgspec.Struct, Generic[T]):
    items: list[T]
    next_cursor: str | None = None


class PageRequest(msgspec.Struct, frozen=True):
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class Cursors:
    """Writes and reads the key of a list's last row. `name` is the list and what binds it, such as its owner: other lists refuse it."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    def write(self, name: str, key: Any) -> str:
        body = msgspec.json.encode(key)
        return base64.urlsafe_b64encode(self._tag(name, body) + body).rstrip(b"=").decode()

    def read(self, name: str, cursor: str, key_type: type[K]) -> K:
        """Raises InvalidCursor for anything that `write` did not make for this list."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
            if not hmac.compare_digest(tag, self._tag(name, body)):
                raise InvalidCursor
            return msgspec.json.decode(body, type=key_type)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise InvalidCursor from error

    def _tag(self, name: str, body: bytes) -> bytes:
        return hmac.digest(self.secret, name.encode() + b"\0" + body, "sha256")[:_TAG_BYTES]

"""UUIDv7 ids, made by the application: they sort by the time they were made, so that an index grows at its end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import uuid_utils


def uuid7() -> UUID:
    return UUID(bytes=uuid_utils.uuid7().bytes)


def floor_of(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond: `id >= floor_of(t)` reads what was made since t."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))

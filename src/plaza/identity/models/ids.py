"""The ids that tables name, known to SQLAlchemy before the first table is declared."""

from plaza.core.db import typed_ids
from plaza.domain_events.identity import SessionId, UserId

typed_ids(UserId, SessionId)

__all__ = ["SessionId", "UserId"]

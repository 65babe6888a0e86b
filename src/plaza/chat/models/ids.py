"""The ids that tables name, known to SQLAlchemy before the first table is declared."""

from plaza.core.db import typed_ids
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

typed_ids(ConversationId, MessageId, UserId)

__all__ = ["ConversationId", "MessageId", "UserId"]

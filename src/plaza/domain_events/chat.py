"""Chat tells no event per message: its messages are a log of their own, which others read by cursor."""

from typing import NewType
from uuid import UUID

ConversationId = NewType("ConversationId", UUID)
MessageId = NewType("MessageId", UUID)

"""All SQL of chat. Reads answer rows or views; what is written goes through locked conversations (see models)."""

from plaza.chat.repository.changes import ChangeRepository
from plaza.chat.repository.conversations import CONVERSATIONS_FOR_STAFF, ConversationRepository
from plaza.chat.repository.history import HistoryRepository
from plaza.chat.repository.messages import COLUMNS, MessageRepository, message_of
from plaza.chat.repository.participants import ParticipantRepository, Standing

__all__ = [
    "COLUMNS",
    "CONVERSATIONS_FOR_STAFF",
    "ChangeRepository",
    "ConversationRepository",
    "HistoryRepository",
    "MessageRepository",
    "ParticipantRepository",
    "Standing",
    "message_of",
]

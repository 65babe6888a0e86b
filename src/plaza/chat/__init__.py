"""Conversations, direct and in groups: who takes part, what they wrote, what each has read.

Invariants:
- every durable change of a conversation has the next seq of it, gap-free, committed with the change; a refused one takes none;
- two people have one live direct conversation; a group has exactly one owner as long as somebody is in it;
- a `client_id` names one message of its sender for ever;
- how much is unread is derived from markers, never counted up.

The messages are a log of their own: others read it by cursor, sockets follow it through core.realtime's `TopicLog`. No domain events.
"""

from plaza.chat.errors import ConversationDeleted, ConversationNotFound, NotParticipant
from plaza.chat.models import Kind
from plaza.chat.schemas import (
    ConversationView,
    CreatedConversation,
    MessageDraft,
    MessageView,
    NewConversation,
    NewMessage,
    NewParticipant,
    SentMessage,
)
from plaza.chat.service import (
    ConversationLog,
    ConversationService,
    MessageService,
    ParticipantService,
    ReadingService,
)

__all__ = [
    "ConversationDeleted",
    "ConversationLog",
    "ConversationNotFound",
    "ConversationService",
    "ConversationView",
    "CreatedConversation",
    "Kind",
    "MessageDraft",
    "MessageService",
    "MessageView",
    "NewConversation",
    "NewMessage",
    "NewParticipant",
    "NotParticipant",
    "ParticipantService",
    "ReadingService",
    "SentMessage",
]

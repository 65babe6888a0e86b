"""All SQL of chat. Reads answer rows or views; what is written goes through locked conversations (see models)."""

from plaza.chat.repository.blocks import PARTED, BlockRepository
from plaza.chat.repository.changes import ChangeRepository
from plaza.chat.repository.conversations import CONVERSATIONS_FOR_STAFF, ConversationRepository
from plaza.chat.repository.history import HistoryRepository
from plaza.chat.repository.invites import InviteLinkRepository, PendingInviteRepository
from plaza.chat.repository.messages import COLUMNS, MessageRepository, Obstacles, message_of
from plaza.chat.repository.participants import ParticipantRepository, Standing
from plaza.chat.repository.receipts import Delivery, ReceiptRepository
from plaza.chat.repository.reports import ReportRepository

__all__ = [
    "COLUMNS",
    "CONVERSATIONS_FOR_STAFF",
    "PARTED",
    "BlockRepository",
    "ChangeRepository",
    "ConversationRepository",
    "Delivery",
    "HistoryRepository",
    "InviteLinkRepository",
    "MessageRepository",
    "Obstacles",
    "ParticipantRepository",
    "PendingInviteRepository",
    "ReceiptRepository",
    "ReportRepository",
    "Standing",
    "message_of",
]

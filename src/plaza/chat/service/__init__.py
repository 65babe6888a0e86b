"""The rules of chat, one service per aggregate."""

from plaza.chat.service.conversations import ConversationService
from plaza.chat.service.editing import EditingService
from plaza.chat.service.log import ConversationLog
from plaza.chat.service.messages import MessageService
from plaza.chat.service.participants import ParticipantService
from plaza.chat.service.personal_data import ChatData
from plaza.chat.service.pins import PinService
from plaza.chat.service.reactions import ReactionService
from plaza.chat.service.reading import ReadingService
from plaza.chat.service.receipts import ReceiptService
from plaza.chat.service.threads import ThreadService

__all__ = [
    "ChatData",
    "ConversationLog",
    "ConversationService",
    "EditingService",
    "MessageService",
    "ParticipantService",
    "PinService",
    "ReactionService",
    "ReadingService",
    "ReceiptService",
    "ThreadService",
]

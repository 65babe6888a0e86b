"""Tables of chat, a file per aggregate.

Everything that takes a seq, or changes who is in a conversation, happens under the lock of the conversation's row. That is what makes
seqs gap-free and keeps one owner. What people set for themselves does not wait for that lock: `version` guards it.
"""

from plaza.chat.models.conversations import Conversation, DirectPair, Kind, Posting
from plaza.chat.models.marks import SCHEDULED, Draft, Pin, SavedMessage, ScheduledMessage, ScheduledState
from plaza.chat.models.messages import Change, ChangeKind, Message, MessageEdit, MessageReaction, MessageType
from plaza.chat.models.moderation import REPORT, Block, InviteLink, PendingInvite, Report, ReportState
from plaza.chat.models.participants import NotificationLevel, Participant, Role

__all__ = [
    "REPORT",
    "SCHEDULED",
    "Block",
    "Change",
    "ChangeKind",
    "Conversation",
    "DirectPair",
    "Draft",
    "InviteLink",
    "Kind",
    "Message",
    "MessageEdit",
    "MessageReaction",
    "MessageType",
    "NotificationLevel",
    "Participant",
    "PendingInvite",
    "Pin",
    "Posting",
    "Report",
    "ReportState",
    "Role",
    "SavedMessage",
    "ScheduledMessage",
    "ScheduledState",
]

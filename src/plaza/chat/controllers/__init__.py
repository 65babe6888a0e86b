"""`/api/v1/chat` over REST, a file per aggregate. Whatever changes here reaches the sockets, too."""

from plaza.chat.controllers.blocks import BlockController
from plaza.chat.controllers.changes import HistoryController, PinController, ReactionController
from plaza.chat.controllers.conversations import ConversationController, ParticipantController
from plaza.chat.controllers.invite_links import InviteLinkController
from plaza.chat.controllers.invites import InviteController
from plaza.chat.controllers.marks import (
    DraftController,
    OwnSettingsController,
    SavedController,
    ScheduledController,
)
from plaza.chat.controllers.messages import MessageController
from plaza.chat.controllers.presence import PresenceController
from plaza.chat.controllers.reading import ReadingController
from plaza.chat.controllers.reports import ReportController
from plaza.chat.controllers.search import SearchController
from plaza.chat.controllers.stream import StreamController
from plaza.chat.controllers.threads import ThreadController

__all__ = [
    "BlockController",
    "ConversationController",
    "DraftController",
    "HistoryController",
    "InviteController",
    "InviteLinkController",
    "MessageController",
    "OwnSettingsController",
    "ParticipantController",
    "PinController",
    "PresenceController",
    "ReactionController",
    "ReadingController",
    "ReportController",
    "SavedController",
    "ScheduledController",
    "SearchController",
    "StreamController",
    "ThreadController",
]

from __future__ import annotations

from plaza.chat import admin, controllers, jobs
from plaza.chat.schemas import ChatSettings
from plaza.chat.schemas.permissions import PERMISSIONS
from plaza.chat.service import (
    ChatData,
    ConversationLog,
    ConversationService,
    EditingService,
    MessageService,
    ParticipantService,
    PinService,
    ReactionService,
    ReadingService,
    ReceiptService,
    ThreadService,
)
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.deliveries import DeliveryService
from plaza.chat.service.expiry import SocketExpiry
from plaza.chat.service.invite_links import InviteLinkService
from plaza.chat.service.invites import InviteService
from plaza.chat.service.marks import DraftService, OwnSettingsService, SavedService
from plaza.chat.service.presence import PresenceService
from plaza.chat.service.reports import ReportService
from plaza.chat.service.scheduled import ScheduledService
from plaza.chat.service.search import SearchService
from plaza.chat.service.sockets import SocketService
from plaza.chat.sockets import SocketController
from plaza.core.composition import Context
from plaza.core.realtime import TopicLog

context = Context(
    name="chat",
    settings=ChatSettings,
    services=(
        ParticipantService,
        ConversationService,
        MessageService,
        EditingService,
        ReactionService,
        PinService,
        ReadingService,
        ThreadService,
        ReceiptService,
        SearchService,
        SavedService,
        DraftService,
        OwnSettingsService,
        ScheduledService,
        BlockService,
        InviteLinkService,
        InviteService,
        ReportService,
        ChatData,
        PresenceService,
        DeliveryService,
        SocketService,
        SocketExpiry,
    ),
    ports={TopicLog: ConversationLog},
    controllers=(
        controllers.ConversationController,
        controllers.ParticipantController,
        controllers.MessageController,
        controllers.HistoryController,
        controllers.ReactionController,
        controllers.PinController,
        controllers.ReadingController,
        controllers.ThreadController,
        controllers.SearchController,
        controllers.SavedController,
        controllers.DraftController,
        controllers.ScheduledController,
        controllers.OwnSettingsController,
        controllers.PresenceController,
        controllers.BlockController,
        controllers.InviteLinkController,
        controllers.InviteController,
        controllers.ReportController,
        SocketController,
        controllers.StreamController,
    ),
    jobs=(jobs.forget_presence, jobs.send_scheduled),
    personal_data=ChatData,
    api_background=(PresenceService, DeliveryService, SocketExpiry),
    declares=(*PERMISSIONS, admin.CONVERSATIONS, admin.REPORTS),
)

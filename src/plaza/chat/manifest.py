from __future__ import annotations

from plaza.chat import admin, controllers, jobs
from plaza.chat.schemas import ChatSettings
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
)
from plaza.chat.service.presence import PresenceService
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
        ChatData,
        PresenceService,
        SocketService,
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
        controllers.PresenceController,
        SocketController,
    ),
    jobs=(jobs.forget_presence,),
    personal_data=ChatData,
    api_background=(PresenceService,),
    declares=(admin.READ, admin.CONVERSATIONS),
)

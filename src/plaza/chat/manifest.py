from __future__ import annotations

from plaza.chat import admin
from plaza.chat.controllers import ConversationController, MessageController, ParticipantController, ReadingController
from plaza.chat.presence_controllers import PresenceController
from plaza.chat.schemas import ChatSettings
from plaza.chat.service import (
    ConversationLog,
    ConversationService,
    MessageService,
    ParticipantService,
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
    services=(ParticipantService, ConversationService, MessageService, ReadingService, PresenceService, SocketService),
    ports={TopicLog: ConversationLog},
    controllers=(
        ConversationController,
        ParticipantController,
        MessageController,
        ReadingController,
        PresenceController,
        SocketController,
    ),
    api_background=(PresenceService,),
    declares=(admin.READ, admin.CONVERSATIONS),
)

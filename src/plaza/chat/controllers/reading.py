"""What each has read."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas import (
    ReadState,
    SeqMarker,
    UnreadSummary,
)
from plaza.chat.service import ReadingService
from plaza.core.actor import Actor
from plaza.domain_events.chat import ConversationId


class ReadingController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)
    reading: ReadingService

    @post("/conversations/{conversation_id:uuid}/read", status_code=200)
    async def read(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[SeqMarker]
    ) -> ReadState:
        return (await self.reading.read(actor, ConversationId(conversation_id), data)).unwrap()

    @post("/conversations/{conversation_id:uuid}/unread", status_code=200)
    async def mark_unread(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[SeqMarker]
    ) -> ReadState:
        return (await self.reading.mark_unread(actor, ConversationId(conversation_id), data)).unwrap()

    @get("/unread")
    async def summary(self, actor: NamedDependency[Actor]) -> UnreadSummary:
        return (await self.reading.summary(actor)).unwrap()

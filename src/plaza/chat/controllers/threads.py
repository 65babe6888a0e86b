"""What belongs to one message: its replies, and who has got it."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from plaza.chat.schemas import MessageView, ReceiptView
from plaza.chat.service import ReceiptService, ThreadService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.domain_events.chat import ConversationId, MessageId


class ThreadController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}/messages/{message_id:uuid}"
    tags = ("chat",)
    threads: ThreadService
    receipts: ReceiptService

    @get("/replies")
    async def list_replies(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
    ) -> Page[MessageView]:
        """The oldest first."""
        found = await self.threads.replies(actor, ConversationId(conversation_id), MessageId(message_id), page)
        return found.unwrap()

    @get("/receipts")
    async def list_receipts(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
    ) -> Page[ReceiptView]:
        """Everybody who takes part now, apart from the sender."""
        found = await self.receipts.page(actor, ConversationId(conversation_id), MessageId(message_id), page)
        return found.unwrap()

"""What is done to messages: earlier wordings, reactions, pins."""

from __future__ import annotations

from urllib.parse import unquote
from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas import (
    EarlierContent,
    MessageView,
    NewReaction,
    Reacted,
    ReactionView,
    Toggled,
)
from plaza.chat.service import EditingService, PinService, ReactionService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import documented
from plaza.domain_events.chat import ConversationId, MessageId

_MESSAGE = "/api/v1/chat/conversations/{conversation_id:uuid}/messages/{message_id:uuid}"


class HistoryController(Controller):
    path = _MESSAGE
    tags = ("chat",)
    editing: EditingService

    @get("/history")
    async def history(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
    ) -> Page[EarlierContent]:
        found = await self.editing.history(actor, ConversationId(conversation_id), MessageId(message_id), page)
        return found.unwrap()


class ReactionController(Controller):
    path = f"{_MESSAGE}/reactions"
    tags = ("chat",)
    reactions: ReactionService

    @get()
    async def list_reactions(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
    ) -> Page[ReactionView]:
        found = await self.reactions.page(actor, ConversationId(conversation_id), MessageId(message_id), page)
        return found.unwrap()

    @post(responses={200: documented(Reacted, "You react with it already")})
    async def add(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        data: JSONBody[NewReaction],
    ) -> Response[Reacted]:
        added = await self.reactions.add(actor, ConversationId(conversation_id), MessageId(message_id), data)
        reacted, is_new = added.unwrap()
        return Response(reacted, status_code=201 if is_new else 200)

    @post("/toggle", status_code=200)
    async def toggle(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        data: JSONBody[NewReaction],
    ) -> Toggled:
        toggled = await self.reactions.toggle(actor, ConversationId(conversation_id), MessageId(message_id), data)
        return toggled.unwrap()

    @delete("/{emoji:str}")
    async def remove(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        emoji: FromPath[str],
    ) -> None:
        """The emoji as it is, percent-encoded."""
        given = NewReaction(emoji=unquote(emoji))
        removed = await self.reactions.remove(actor, ConversationId(conversation_id), MessageId(message_id), given)
        removed.unwrap()


class PinController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}"
    tags = ("chat",)
    pins: PinService

    @post("/messages/{message_id:uuid}/pin", status_code=204)
    async def pin(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> None:
        (await self.pins.pin(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @delete("/messages/{message_id:uuid}/pin")
    async def unpin(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> None:
        (await self.pins.unpin(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @get("/pins")
    async def list_pins(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], page: NamedDependency[PageRequest]
    ) -> Page[MessageView]:
        return (await self.pins.page(actor, ConversationId(conversation_id), page)).unwrap()

"""Messages: sent, read back, and resumed from."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from plaza.chat.frames import Logged
from plaza.chat.schemas import (
    MAX_SEQ,
    Direction,
    MessageView,
    NewContent,
    NewMessage,
    Span,
)
from plaza.chat.service import EditingService, MessageService
from plaza.core.actor import Actor
from plaza.core.db import DEFAULT_LIMIT, Page, PageRequest
from plaza.core.errors import ValidationFailed
from plaza.core.http import PageCursor, PageLimit, Spelled, documented
from plaza.domain_events.chat import ConversationId, MessageId

Seq = Annotated[int | None, QueryParameter(gt=-1, le=MAX_SEQ)]


class MessageController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}"
    tags = ("chat",)
    messages: MessageService
    editing: EditingService

    @get("/messages", responses={200: documented(Page[MessageView], "One page")})
    async def list_messages(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        before_seq: Seq = None,
        after_seq: Seq = None,
        around_seq: Seq = None,
        limit: PageLimit = DEFAULT_LIMIT,
        cursor: PageCursor = None,
    ) -> Spelled[msgspec.Raw]:
        """The newest first; with `after_seq` the oldest first."""
        span = _span(before_seq, after_seq, around_seq)
        page = PageRequest(limit, cursor)  # a second dependency would be resolved in a group of tasks, each time
        found = await self.messages.page(actor, ConversationId(conversation_id), span, page)
        return Spelled(found.unwrap())

    @post("/messages", responses={200: documented(MessageView, "Sent before with this client_id")})
    async def send(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewMessage]
    ) -> Spelled[MessageView]:
        sent = (await self.messages.post(actor, ConversationId(conversation_id), data)).unwrap()
        return Spelled.of(sent.message, 201 if sent.is_new else 200)

    @get("/messages/{message_id:uuid}")
    async def get_message(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> MessageView:
        return (await self.messages.get(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @patch("/messages/{message_id:uuid}")
    async def edit(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        data: JSONBody[NewContent],
    ) -> MessageView:
        return (await self.editing.edit(actor, ConversationId(conversation_id), MessageId(message_id), data)).unwrap()

    @delete("/messages/{message_id:uuid}")
    async def delete_message(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> None:
        (await self.editing.delete(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @get("/events", responses={200: documented(Page[Logged], "One page")})
    async def list_events(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
        after_seq: Seq = None,
    ) -> Spelled[msgspec.Raw]:
        """What sockets were told after a seq, in order: for resuming without a socket."""
        found = await self.messages.events(actor, ConversationId(conversation_id), after_seq or 0, page)
        return Spelled(found.unwrap())


def _span(before: int | None, after: int | None, around: int | None) -> Span:
    given = [
        Span(direction, seq)
        for direction, seq in ((Direction.OLDER, before), (Direction.NEWER, after), (Direction.AROUND, around))
        if seq is not None
    ]
    if len(given) > 1:
        raise ValidationFailed("Give one of before_seq, after_seq and around_seq.")
    return given[0] if given else Span(Direction.OLDER, MAX_SEQ)

"""`/api/v1/chat` over REST. Whatever changes here reaches the sockets, too."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from plaza.chat.frames import Logged
from plaza.chat.schemas import (
    MAX_SEQ,
    ConversationView,
    Direction,
    MessageView,
    NewConversation,
    NewMessage,
    NewOwner,
    NewParticipant,
    NewTitle,
    ParticipantView,
    ReadState,
    RoleChange,
    SeqMarker,
    Span,
    UnreadSummary,
)
from plaza.chat.service import ConversationService, MessageService, ParticipantService, ReadingService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.errors import ValidationFailed
from plaza.core.http import documented
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId

Seq = Annotated[int | None, QueryParameter(gt=-1, le=MAX_SEQ)]


def _json(page: msgspec.Raw) -> Response[bytes]:
    return Response(bytes(page), media_type="application/json")


class ConversationController(Controller):
    path = "/api/v1/chat/conversations"
    tags = ("chat",)
    conversations: ConversationService
    participants: ParticipantService

    @get()
    async def list_conversations(
        self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> Page[ConversationView]:
        return (await self.conversations.page(actor, page)).unwrap()

    @post(responses={200: documented(ConversationView, "The direct conversation stood already")})
    async def create(
        self, actor: NamedDependency[Actor], data: JSONBody[NewConversation]
    ) -> Response[ConversationView]:
        made = (await self.conversations.create(actor, data)).unwrap()
        return Response(made.conversation, status_code=201 if made.is_new else 200)

    @get("/{conversation_id:uuid}")
    async def get_conversation(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]
    ) -> ConversationView:
        return (await self.conversations.get(actor, ConversationId(conversation_id))).unwrap()

    @patch("/{conversation_id:uuid}")
    async def rename(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewTitle]
    ) -> ConversationView:
        return (await self.conversations.rename(actor, ConversationId(conversation_id), data)).unwrap()

    @delete("/{conversation_id:uuid}")
    async def delete_conversation(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> None:
        (await self.conversations.delete(actor, ConversationId(conversation_id))).unwrap()

    @post("/{conversation_id:uuid}/leave", status_code=204)
    async def leave(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> None:
        (await self.participants.leave(actor, ConversationId(conversation_id))).unwrap()

    @post("/{conversation_id:uuid}/transfer-ownership", status_code=200)
    async def transfer_ownership(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewOwner]
    ) -> ConversationView:
        return (await self.participants.transfer_ownership(actor, ConversationId(conversation_id), data)).unwrap()


class ParticipantController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}/participants"
    tags = ("chat",)
    participants: ParticipantService

    @get()
    async def list_participants(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
    ) -> Page[ParticipantView]:
        return (await self.participants.page(actor, ConversationId(conversation_id), page)).unwrap()

    @post()
    async def add(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewParticipant]
    ) -> ParticipantView:
        return (await self.participants.add(actor, ConversationId(conversation_id), data)).unwrap()

    @patch("/{user_id:uuid}")
    async def change_role(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        user_id: FromPath[UUID],
        data: JSONBody[RoleChange],
    ) -> ParticipantView:
        changing = self.participants.change_role(actor, ConversationId(conversation_id), UserId(user_id), data)
        return (await changing).unwrap()

    @delete("/{user_id:uuid}")
    async def remove(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], user_id: FromPath[UUID]
    ) -> None:
        (await self.participants.remove(actor, ConversationId(conversation_id), UserId(user_id))).unwrap()


class MessageController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}"
    tags = ("chat",)
    messages: MessageService

    @get("/messages", responses={200: documented(Page[MessageView], "One page")})
    async def list_messages(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
        before_seq: Seq = None,
        after_seq: Seq = None,
        around_seq: Seq = None,
    ) -> Response[bytes]:
        """The newest first; with `after_seq` the oldest first."""
        span = _span(before_seq, after_seq, around_seq)
        found = await self.messages.page(actor, ConversationId(conversation_id), span, page)
        return _json(found.unwrap())

    @post("/messages", responses={200: documented(MessageView, "Sent before with this client_id")})
    async def send(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewMessage]
    ) -> Response[MessageView]:
        sent = (await self.messages.post(actor, ConversationId(conversation_id), data)).unwrap()
        return Response(sent.message, status_code=201 if sent.is_new else 200)

    @get("/messages/{message_id:uuid}")
    async def get_message(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> MessageView:
        return (await self.messages.get(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @get("/events", responses={200: documented(Page[Logged], "One page")})
    async def list_events(
        self,
        actor: NamedDependency[Actor],
        conversation_id: FromPath[UUID],
        page: NamedDependency[PageRequest],
        after_seq: Seq = None,
    ) -> Response[bytes]:
        """What sockets were told after a seq, in order: for resuming without a socket."""
        found = await self.messages.events(actor, ConversationId(conversation_id), after_seq or 0, page)
        return _json(found.unwrap())


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


def _span(before: int | None, after: int | None, around: int | None) -> Span:
    given = [
        Span(direction, seq)
        for direction, seq in ((Direction.OLDER, before), (Direction.NEWER, after), (Direction.AROUND, around))
        if seq is not None
    ]
    if len(given) > 1:
        raise ValidationFailed("Give one of before_seq, after_seq and around_seq.")
    return given[0] if given else Span(Direction.OLDER, MAX_SEQ)

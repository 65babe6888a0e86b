"""Conversations and the people in them."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas import (
    ConversationView,
    GroupChange,
    NewConversation,
    NewOwner,
    NewParticipant,
    ParticipantView,
    RoleChange,
)
from plaza.chat.service import ConversationService, ParticipantService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import documented
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


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
    async def change(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[GroupChange]
    ) -> ConversationView:
        return (await self.conversations.change(actor, ConversationId(conversation_id), data)).unwrap()

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

    @post(responses={202: documented(ParticipantView, "Asked: this person wants to say yes or no first")})
    async def add(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewParticipant]
    ) -> Response[ParticipantView]:
        added = (await self.participants.add(actor, ConversationId(conversation_id), data)).unwrap()
        return Response(added, status_code=202 if added.joined_at is None else 201)

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

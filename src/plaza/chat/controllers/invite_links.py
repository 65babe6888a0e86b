"""Invite links: made and revoked in a group, used by whoever has the code."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas import ConversationView
from plaza.chat.schemas.invites import InviteLinkView, NewInviteLink
from plaza.chat.service.invite_links import InviteLinkService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.domain_events.chat import ConversationId


class InviteLinkController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)
    links: InviteLinkService

    @get("/conversations/{conversation_id:uuid}/invite-links")
    async def list_links(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], page: NamedDependency[PageRequest]
    ) -> Page[InviteLinkView]:
        return (await self.links.page(actor, ConversationId(conversation_id), page)).unwrap()

    @post("/conversations/{conversation_id:uuid}/invite-links")
    async def create_link(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[NewInviteLink]
    ) -> InviteLinkView:
        return (await self.links.create(actor, ConversationId(conversation_id), data)).unwrap()

    @delete("/conversations/{conversation_id:uuid}/invite-links/{code:str}")
    async def revoke_link(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], code: FromPath[str]
    ) -> None:
        (await self.links.revoke(actor, ConversationId(conversation_id), code)).unwrap()

    @post("/invite-links/{code:str}/join", status_code=200)
    async def join(self, actor: NamedDependency[Actor], code: FromPath[str]) -> ConversationView:
        return (await self.links.join(actor, code)).unwrap()

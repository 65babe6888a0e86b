"""Being asked into groups. Who is asked, and not simply added, is in their preferences (`group_invites`)."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from plaza.chat.schemas import ConversationView
from plaza.chat.schemas.invites import InviteView
from plaza.chat.service.invites import InviteService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.domain_events.chat import ConversationId


class InviteController(Controller):
    path = "/api/v1/chat/invites"
    tags = ("chat",)
    invites: InviteService

    @get()
    async def list_invites(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[InviteView]:
        return (await self.invites.page(actor, page)).unwrap()

    @post("/{conversation_id:uuid}/accept", status_code=200)
    async def accept(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> ConversationView:
        return (await self.invites.accept(actor, ConversationId(conversation_id))).unwrap()

    @post("/{conversation_id:uuid}/decline", status_code=204)
    async def decline(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> None:
        (await self.invites.decline(actor, ConversationId(conversation_id))).unwrap()

"""Presence over REST, for clients without a socket and for what a socket does not tell by itself."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas.presence import NewStatus, PresenceQuestion, PresenceView
from plaza.chat.service.presence import PresenceService
from plaza.core.actor import Actor
from plaza.core.db import Page
from plaza.core.http import PASSING, READING
from plaza.domain_events.chat import ConversationId


class PresenceController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)
    presence: PresenceService

    @post("/presence", status_code=200)
    async def choose(self, actor: NamedDependency[Actor], data: JSONBody[NewStatus]) -> PresenceView:
        return (await self.presence.choose(actor, data.status)).unwrap()

    @post("/presence/heartbeat", status_code=200, opt=PASSING)
    async def heartbeat(self, actor: NamedDependency[Actor]) -> PresenceView:
        return (await self.presence.heartbeat(actor)).unwrap()

    @get("/presence/{user_id:uuid}")
    async def one(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> PresenceView:
        (found,) = (await self.presence.of(actor, [user_id])).unwrap()
        return found

    @post("/presence/bulk", status_code=200, opt=READING)
    async def several(self, actor: NamedDependency[Actor], data: JSONBody[PresenceQuestion]) -> Page[PresenceView]:
        return Page(items=(await self.presence.of(actor, data.user_ids)).unwrap())

    @get("/conversations/{conversation_id:uuid}/presence")
    async def of_conversation(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]
    ) -> Page[PresenceView]:
        """Of everybody in it."""
        return Page(items=(await self.presence.of_conversation(actor, ConversationId(conversation_id))).unwrap())

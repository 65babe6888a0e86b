"""What people keep for themselves: saved messages, drafts, scheduled ones, mute and archive."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from plaza.chat.schemas import ConversationView, MessageView
from plaza.chat.schemas.marks import DraftText, DraftView, Mute, NewScheduled, ScheduledView
from plaza.chat.service.marks import DraftService, OwnSettingsService, SavedService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.domain_events.chat import ConversationId, MessageId


class SavedController(Controller):
    path = "/api/v1/chat"
    tags = ("chat",)
    saved: SavedService

    @post("/conversations/{conversation_id:uuid}/messages/{message_id:uuid}/save", status_code=204)
    async def save(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> None:
        (await self.saved.save(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @delete("/conversations/{conversation_id:uuid}/messages/{message_id:uuid}/save")
    async def forget(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], message_id: FromPath[UUID]
    ) -> None:
        (await self.saved.forget(actor, ConversationId(conversation_id), MessageId(message_id))).unwrap()

    @get("/saved")
    async def list_saved(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[MessageView]:
        return (await self.saved.page(actor, page)).unwrap()


class DraftController(Controller):
    path = "/api/v1/chat/drafts"
    tags = ("chat",)
    drafts: DraftService

    @get()
    async def list_drafts(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[DraftView]:
        return (await self.drafts.page(actor, page)).unwrap()

    @put("/{conversation_id:uuid}")
    async def put(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[DraftText]
    ) -> DraftView:
        return (await self.drafts.put(actor, ConversationId(conversation_id), data)).unwrap()

    @delete("/{conversation_id:uuid}")
    async def remove(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> None:
        (await self.drafts.remove(actor, ConversationId(conversation_id))).unwrap()


class ScheduledController(Controller):
    path = "/api/v1/chat/scheduled"
    tags = ("chat",)
    scheduled: ScheduledService

    @get()
    async def list_scheduled(
        self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> Page[ScheduledView]:
        return (await self.scheduled.page(actor, page)).unwrap()

    @post()
    async def schedule(self, actor: NamedDependency[Actor], data: JSONBody[NewScheduled]) -> ScheduledView:
        return (await self.scheduled.schedule(actor, data)).unwrap()

    @delete("/{scheduled_id:uuid}")
    async def cancel(self, actor: NamedDependency[Actor], scheduled_id: FromPath[UUID]) -> None:
        (await self.scheduled.cancel(actor, scheduled_id)).unwrap()


class OwnSettingsController(Controller):
    path = "/api/v1/chat/conversations/{conversation_id:uuid}"
    tags = ("chat",)
    own: OwnSettingsService

    @post("/mute", status_code=200)
    async def mute(
        self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID], data: JSONBody[Mute]
    ) -> ConversationView:
        return (await self.own.mute(actor, ConversationId(conversation_id), data)).unwrap()

    @post("/unmute", status_code=200)
    async def unmute(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> ConversationView:
        return (await self.own.unmute(actor, ConversationId(conversation_id))).unwrap()

    @post("/archive", status_code=200)
    async def archive(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> ConversationView:
        return (await self.own.archive(actor, ConversationId(conversation_id))).unwrap()

    @post("/unarchive", status_code=200)
    async def unarchive(self, actor: NamedDependency[Actor], conversation_id: FromPath[UUID]) -> ConversationView:
        return (await self.own.unarchive(actor, ConversationId(conversation_id))).unwrap()

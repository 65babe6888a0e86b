"""Search."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from plaza.chat.schemas import MessageView
from plaza.chat.schemas.search import Has, SearchQuery
from plaza.chat.service.search import SearchService
from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest

Sender = Annotated[UUID | None, QueryParameter(name="from", description="The id of the sender.")]


class SearchController(Controller):
    path = "/api/v1/chat/messages"
    tags = ("chat",)
    finder: SearchService

    @get("/search")
    async def search(
        self,
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        q: FromQuery[str] = "",
        sender: Sender = None,
        conversation_id: FromQuery[UUID | None] = None,
        before: FromQuery[datetime | None] = None,
        after: FromQuery[datetime | None] = None,
        has: FromQuery[Has | None] = None,
    ) -> Page[MessageView]:
        """Two characters at least, anywhere in a text. Of the newest 1,000 matches those with the whole word come first."""
        asked = SearchQuery(
            text=q, conversation_id=conversation_id, sender_id=sender, before=before, after=after, has=has
        )
        return (await self.finder.search(actor, asked, page)).unwrap()

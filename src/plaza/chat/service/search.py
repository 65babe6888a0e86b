"""Search in everything that somebody may read."""

from __future__ import annotations

from plaza.chat.errors import QueryTooShort
from plaza.chat.repository import ChangeRepository
from plaza.chat.repository.search import Place, SearchRepository
from plaza.chat.schemas import MessageView
from plaza.chat.schemas.search import SearchQuery
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.core.actor import Actor
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, ValidationFailed
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, query

MIN_LENGTH, MAX_LENGTH = 2, 200


class SearchService(Service):
    def __init__(self, db: Database, cursors: Cursors) -> None:
        super().__init__(db)
        self.cursors, self.entrance = cursors, Entrance(db)
        self.repository, self.changes = SearchRepository(db), ChangeRepository(db)

    @query(*ENTRANCE, QueryTooShort, InvalidCursor, ValidationFailed)
    async def search(self, actor: Actor, asked: SearchQuery, page: PageRequest) -> ServiceResult[Page[MessageView]]:
        """Every text that holds this one, whatever the case and the accents of either; of the newest 1,000 whole words come first."""
        if "\0" in asked.text or len(asked.text) > MAX_LENGTH:
            raise ValidationFailed(f"A search has at most {MAX_LENGTH} characters, and no U+0000.")
        if any(each is not None and each.tzinfo is None for each in (asked.before, asked.after)):
            raise ValidationFailed("before and after are times with their offset from UTC.")
        if asked.conversation_id is not None:
            await self.entrance.check(asked.conversation_id, actor.user_id)
        needle = await self.repository.needle(actor.user_id, asked)
        if len(needle.text.strip()) < MIN_LENGTH:
            raise QueryTooShort
        list_name = f"chat.search:{actor.user_id}:{asked}"
        place = None if page.cursor is None else self.cursors.read(list_name, page.cursor, Place)
        found = await self.repository.find(actor.user_id, asked, needle, place, page.limit + 1)
        shown = found[: page.limit]
        items = await self.changes.seen_by(
            actor.user_id, await self.repository.standing(actor.user_id, shown, needle) if shown else []
        )
        next_cursor = None
        if len(found) > page.limit:
            newest = place.newest if place is not None else shown[0].newest
            next_cursor = self.cursors.write(list_name, shown[-1]._replace(newest=newest))
        return success(Page(items=items, next_cursor=next_cursor))

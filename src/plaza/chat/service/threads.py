"""Threads: the replies to a message. They have one level, so that a message is a reply or has some."""

from __future__ import annotations

from plaza.chat.errors import MessageNotFound
from plaza.chat.repository import ChangeRepository, MessageRepository
from plaza.chat.schemas import MessageView
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.core.actor import Actor
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, query
from plaza.domain_events.chat import ConversationId, MessageId


class ThreadService(Service):
    def __init__(self, db: Database, cursors: Cursors) -> None:
        super().__init__(db)
        self.cursors, self.entrance = cursors, Entrance(db)
        self.messages, self.changes = MessageRepository(db), ChangeRepository(db)

    @query(*ENTRANCE, MessageNotFound, InvalidCursor)
    async def replies(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, page: PageRequest
    ) -> ServiceResult[Page[MessageView]]:
        """The oldest first, tombstones among them; `reply_count` does not count those."""
        await self.entrance.check(conversation_id, actor.user_id)
        if await self.changes.conversation_of(message_id) != conversation_id:
            raise MessageNotFound
        list_name = f"chat.replies:{message_id}"
        after = 0 if page.cursor is None else self.cursors.read(list_name, page.cursor, int)
        found = await self.messages.replies(message_id, after, page.limit + 1)
        shown = found[: page.limit]
        next_cursor = self.cursors.write(list_name, shown[-1].seq) if len(found) > page.limit else None
        return success(Page(items=await self.changes.seen_by(actor.user_id, shown), next_cursor=next_cursor))

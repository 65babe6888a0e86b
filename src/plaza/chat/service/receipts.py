"""Receipts: to whom a message was delivered, and who has read it. Derived from markers; nothing is stored per message."""

from __future__ import annotations

from uuid import UUID

from plaza.chat.errors import MessageNotFound
from plaza.chat.repository import MessageRepository, ReceiptRepository
from plaza.chat.schemas import ReceiptView
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.identity import ProfileService

_START = UUID(int=0)


class ReceiptService(Service):
    def __init__(self, db: Database, cursors: Cursors, profiles: ProfileService) -> None:
        super().__init__(db)
        self.cursors, self.entrance, self.names = cursors, Entrance(db), Names(profiles)
        self.messages, self.receipts = MessageRepository(db), ReceiptRepository(db)

    @query(*ENTRANCE, MessageNotFound, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, page: PageRequest
    ) -> ServiceResult[Page[ReceiptView]]:
        """Everybody who takes part now, apart from the sender, in the order in which they joined.

        Of two people whom a block parts, to neither the other has got anything.
        """
        await self.entrance.check(conversation_id, actor.user_id)
        message = await self.messages.one(conversation_id, message_id)
        if message is None:
            raise MessageNotFound
        list_name = f"chat.receipts:{message_id}"
        after = _START if page.cursor is None else self.cursors.read(list_name, page.cursor, UUID)
        found = await self.receipts.reaches(
            conversation_id, actor.user_id, after, page.limit + 1, besides=message.sender_id
        )
        shown = found[: page.limit]
        cards = await self.names.cards([each.user_id for each in shown])
        items = [
            ReceiptView(
                user_id=each.user_id,
                display_name="" if (card := cards.get(each.user_id)) is None else card.display_name,
                avatar_url=None if card is None else card.avatar_url,
                read=each.read_seq >= message.seq,
                delivered=each.delivered_seq >= message.seq,
            )
            for each in shown
        ]
        next_cursor = self.cursors.write(list_name, shown[-1].id) if len(found) > page.limit else None
        return success(Page(items=items, next_cursor=next_cursor))

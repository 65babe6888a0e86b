"""Pins: messages that everybody in a conversation should find again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from plaza.chat.errors import AlreadyDeleted, Blocked, MessageNotFound, TooManyPins
from plaza.chat.models import ChangeKind, Conversation, Message, Pin
from plaza.chat.repository import ChangeRepository
from plaza.chat.schemas import ChatSettings, MessageView
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.announcing import Journal
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId


class PinService(Service):
    """Whoever takes part may pin and unpin; doing it twice changes nothing."""

    def __init__(self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, settings: ChatSettings) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.changes, self.entrance, self.journal = ChangeRepository(db), Entrance(db), Journal(db, clock, hub)

    @command(*ENTRANCE, MessageNotFound, AlreadyDeleted, Blocked, TooManyPins)
    async def pin(self, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> ServiceResult[None]:
        conversation, _, message = await self.entrance.lock_message(actor, conversation_id, message_id)
        if message.deleted_at is not None:
            raise AlreadyDeleted
        await self.entrance.must_not_be_parted(conversation)
        if not message.pinned:
            if await self.changes.count_pins(conversation_id) >= self.settings.max_pins:
                raise TooManyPins
            self.db.session.add(
                Pin(
                    message_id=message_id,
                    conversation_id=conversation_id,
                    user_id=UserId(actor.user_id),
                    created_at=self.clock.now(),
                )
            )
            await self._turn(actor, conversation, message, pinned=True)
        return success(None)

    @command(*ENTRANCE, MessageNotFound, Blocked)
    async def unpin(self, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> ServiceResult[None]:
        conversation, _, message = await self.entrance.lock_message(actor, conversation_id, message_id)
        await self.entrance.must_not_be_parted(conversation)
        pin = await self.changes.pin_of(message_id)
        if pin is not None:
            await self.db.session.delete(pin)
            await self._turn(actor, conversation, message, pinned=False)
        return success(None)

    @query(*ENTRANCE, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, page: PageRequest
    ) -> ServiceResult[Page[MessageView]]:
        """The latest pin first."""
        await self.entrance.check(conversation_id, actor.user_id)
        list_name = f"chat.pins:{conversation_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.changes.pins(conversation_id, before, page.limit + 1)
        shown = found[: page.limit]
        items = await self.changes.seen_by(actor.user_id, [message for message, _ in shown])
        next_cursor = None
        if len(found) > page.limit:
            next_cursor = self.cursors.write(list_name, (shown[-1][1], shown[-1][0].id))
        return success(Page(items=items, next_cursor=next_cursor))

    async def _turn(self, actor: Actor, conversation: Conversation, message: Message, *, pinned: bool) -> None:
        message.pinned = pinned
        await self.db.session.flush()
        self.journal.change(conversation, ChangeKind.PIN, message, user_id=actor.user_id, pinned=pinned)

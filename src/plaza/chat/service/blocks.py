"""Blocks: nothing passes directly between two people of whom one has blocked the other.

In groups both stay; clients hide what a blocked one writes there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from plaza.chat.errors import SameUser
from plaza.chat.frames import Sync
from plaza.chat.repository import BlockRepository, ConversationRepository
from plaza.chat.schemas.blocks import BlockView, NewBlock
from plaza.chat.service.announcing import Announcer
from plaza.chat.service.consent import Consent
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.identity import UserId
from plaza.identity import Card, ProfileService, UserNotFound


class BlockService(Service):
    def __init__(self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, profiles: ProfileService) -> None:
        super().__init__(db)
        self.clock, self.cursors = clock, cursors
        self.blocks, self.conversations = BlockRepository(db), ConversationRepository(db)
        self.announcer, self.names = Announcer(db, hub), Names(profiles)
        self.consent = Consent(db, clock, hub, profiles)

    @command(SameUser, UserNotFound)
    async def block(self, actor: Actor, new: NewBlock) -> ServiceResult[tuple[BlockView, bool]]:
        """And whether it is new. The other one is not told; once this is committed nothing more arrives from there."""
        me, other = UserId(actor.user_id), UserId(new.user_id)
        if other == me:
            return failure(SameUser())
        cards = await self.names.cards([other])
        if other not in cards:
            return failure(UserNotFound())
        if (talk := await self.blocks.conversation_of(me, other)) is not None:
            await self.conversations.lock(talk, deleted=True)  # what is being sent there goes before, or is refused
        now = self.clock.now()
        is_new = await self.blocks.add(me, other, now)
        if is_new:
            await self.consent.refuse_of(me, other)
            self.announcer.to_users([me], Sync(what="blocks"))
            self.announcer.parted([other])
        return success((_view(other, now, cards), is_new))

    @command()
    async def unblock(self, actor: Actor, user_id: UserId) -> ServiceResult[None]:
        """Whoever is not blocked stays so."""
        if await self.blocks.remove(actor.user_id, user_id):
            self.announcer.to_users([actor.user_id], Sync(what="blocks"))
        return success(None)

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[BlockView]]:
        """One's own, the latest first."""
        list_name = f"chat.blocks:{actor.user_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.blocks.page(actor.user_id, before, page.limit + 1)
        shown = found[: page.limit]
        cards = await self.names.cards([row.blocked_id for row in shown])
        items = [_view(row.blocked_id, row.created_at, cards) for row in shown]
        more = (shown[-1].created_at, shown[-1].blocked_id) if len(found) > page.limit else None
        return success(Page(items=items, next_cursor=None if more is None else self.cursors.write(list_name, more)))


def _view(user_id: UserId, created_at: datetime, cards: Mapping[UserId, Card]) -> BlockView:
    card = cards.get(user_id)
    return BlockView(
        user_id=user_id,
        display_name="" if card is None else card.display_name,
        avatar_url=None if card is None else card.avatar_url,
        created_at=created_at,
    )

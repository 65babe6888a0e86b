"""Reactions: emoji that people put to messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import emoji

from plaza.chat.errors import (
    AlreadyDeleted,
    Blocked,
    InvalidEmoji,
    MaxReactionsExceeded,
    MessageNotFound,
    ReactionNotFound,
    SystemMessage,
)
from plaza.chat.models import ChangeKind, Conversation, Message, MessageReaction
from plaza.chat.repository import ChangeRepository
from plaza.chat.schemas import ChatSettings, NewReaction, Reacted, ReactionView, Toggled
from plaza.chat.service.access import ENTRANCE, Entrance, must_be_text
from plaza.chat.service.announcing import Journal
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService

_REACTED = (*ENTRANCE, MessageNotFound, SystemMessage, AlreadyDeleted, Blocked, InvalidEmoji)


class ReactionService(Service):
    def __init__(
        self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, profiles: ProfileService, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.changes, self.names = ChangeRepository(db), Names(profiles)
        self.entrance, self.journal = Entrance(db), Journal(db, clock, hub)

    @command(*_REACTED, MaxReactionsExceeded)
    async def add(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, given: NewReaction
    ) -> ServiceResult[tuple[Reacted, bool]]:
        """How many react with it now, and whether this one is new."""
        conversation, message, sign = await self._open(actor, conversation_id, message_id, given.emoji)
        mine = await self.changes.own_reactions(message_id, actor.user_id)
        is_new = sign not in mine
        if is_new:
            await self._put(actor, conversation, message, sign, mine)
        return success((Reacted(emoji=sign, count=message.reactions[sign]), is_new))

    @command(*_REACTED, ReactionNotFound)
    async def remove(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, given: NewReaction
    ) -> ServiceResult[None]:
        conversation, message, sign = await self._open(actor, conversation_id, message_id, given.emoji)
        if sign not in await self.changes.own_reactions(message_id, actor.user_id):
            raise ReactionNotFound
        await self._take(actor, conversation, message, sign)
        return success(None)

    @command(*_REACTED, MaxReactionsExceeded)
    async def toggle(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, given: NewReaction
    ) -> ServiceResult[Toggled]:
        conversation, message, sign = await self._open(actor, conversation_id, message_id, given.emoji)
        mine = await self.changes.own_reactions(message_id, actor.user_id)
        if sign in mine:
            await self._take(actor, conversation, message, sign)
        else:
            await self._put(actor, conversation, message, sign, mine)
        return success(Toggled(added=sign not in mine))

    @query(*ENTRANCE, MessageNotFound, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, page: PageRequest
    ) -> ServiceResult[Page[ReactionView]]:
        """Who reacted with what, the first one first."""
        await self.entrance.check(conversation_id, actor.user_id)
        if await self.changes.conversation_of(message_id) != conversation_id:
            raise MessageNotFound
        list_name = f"chat.reactions:{message_id}"
        after = None
        if page.cursor is not None:
            after = self.cursors.read(list_name, page.cursor, tuple[datetime, UUID, str])
        found = await self.changes.reactions(message_id, after, page.limit + 1)
        shown = found[: page.limit]
        cards = await self.names.cards({row.user_id for row in shown})
        items = [
            ReactionView(
                emoji=row.emoji,
                user_id=row.user_id,
                display_name=cards[row.user_id].display_name if row.user_id in cards else "",
                created_at=row.created_at,
            )
            for row in shown
        ]
        next_cursor = None
        if len(found) > page.limit:
            next_cursor = self.cursors.write(list_name, (shown[-1].created_at, shown[-1].user_id, shown[-1].emoji))
        return success(Page(items=items, next_cursor=next_cursor))

    async def _open(
        self, actor: Actor, conversation_id: ConversationId, message_id: MessageId, sign: str
    ) -> tuple[Conversation, Message, str]:
        """Held until the transaction ends; the emoji in its one spelling."""
        conversation, _, message = await self.entrance.lock_message(actor, conversation_id, message_id)
        must_be_text(message)
        await self.entrance.must_not_be_parted(conversation)
        return conversation, message, fully_qualified(sign)

    async def _put(self, actor: Actor, conversation: Conversation, message: Message, sign: str, mine: set[str]) -> None:
        counts: Mapping[str, int] = message.reactions
        if len(mine) >= self.settings.max_own_emoji or (sign not in counts and len(counts) >= self.settings.max_emoji):
            raise MaxReactionsExceeded
        self.db.session.add(
            MessageReaction(
                message_id=message.id, user_id=UserId(actor.user_id), emoji=sign, created_at=self.clock.now()
            )
        )
        message.reactions = {**counts, sign: counts.get(sign, 0) + 1}
        await self.db.session.flush()
        self._tell(actor, conversation, message, sign, added=True)

    async def _take(self, actor: Actor, conversation: Conversation, message: Message, sign: str) -> None:
        await self.changes.remove_reaction(message.id, actor.user_id, sign)
        left = {**message.reactions, sign: message.reactions[sign] - 1}
        message.reactions = {each: count for each, count in left.items() if count > 0}
        await self.db.session.flush()
        self._tell(actor, conversation, message, sign, added=False)

    def _tell(self, actor: Actor, conversation: Conversation, message: Message, sign: str, *, added: bool) -> None:
        count = message.reactions.get(sign, 0)
        self.journal.change(
            conversation, ChangeKind.REACTION, message, user_id=actor.user_id, emoji=sign, added=added, count=count
        )


def fully_qualified(sign: str) -> str:
    """One emoji as keyboards should send it (UTS 51): some leave the presentation selector out. Raises InvalidEmoji."""
    if not emoji.is_emoji(sign):
        raise InvalidEmoji
    return emoji.emojize(emoji.demojize(sign))

"""What people keep for themselves: saved messages, drafts, and what they set of a conversation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from plaza.chat.errors import ContentTooLong, EmptyContent, MessageNotFound
from plaza.chat.frames import Sync
from plaza.chat.models import NotificationLevel, Participant
from plaza.chat.repository import ChangeRepository, ConversationRepository, ParticipantRepository
from plaza.chat.repository.marks import DraftRepository, SavedRepository
from plaza.chat.schemas import MAX_CONTENT, ConversationView, MessageView
from plaza.chat.schemas.marks import DraftText, DraftView, Mute
from plaza.chat.service.access import ENTRANCE, Entrance, refusal
from plaza.chat.service.announcing import Announcer
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock, spelled_in_full
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.identity import ProfileService

FOREVER = spelled_in_full(datetime(9999, 12, 31, tzinfo=UTC))


class SavedService(Service):
    """Doing it twice changes nothing."""

    def __init__(self, db: Database, clock: Clock, cursors: Cursors, hub: Hub) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.announcer = clock, cursors, Announcer(db, hub)
        self.saved, self.changes, self.entrance = SavedRepository(db), ChangeRepository(db), Entrance(db)

    @command(*ENTRANCE, MessageNotFound)
    async def save(self, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> ServiceResult[None]:
        await self.entrance.check(conversation_id, actor.user_id)
        if await self.changes.conversation_of(message_id) != conversation_id:
            return failure(MessageNotFound())
        await self.saved.save(actor.user_id, message_id, self.clock.now())
        self.announcer.to_users([actor.user_id], Sync(what="saved"))
        return success(None)

    @command(*ENTRANCE)
    async def forget(self, actor: Actor, conversation_id: ConversationId, message_id: MessageId) -> ServiceResult[None]:
        await self.entrance.check(conversation_id, actor.user_id)
        await self.saved.forget(actor.user_id, message_id)
        self.announcer.to_users([actor.user_id], Sync(what="saved"))
        return success(None)

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[MessageView]]:
        """The latest first, of all conversations that the actor is part of."""
        list_name = f"chat.saved:{actor.user_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.saved.page(actor.user_id, before, page.limit + 1)
        shown = found[: page.limit]
        items = await self.changes.seen_by(actor.user_id, [message for message, _ in shown])
        more = (shown[-1][1], shown[-1][0].id) if len(found) > page.limit else None
        return success(Page(items=items, next_cursor=None if more is None else self.cursors.write(list_name, more)))


class DraftService(Service):
    def __init__(self, db: Database, clock: Clock, cursors: Cursors, hub: Hub) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.announcer = clock, cursors, Announcer(db, hub)
        self.drafts, self.entrance = DraftRepository(db), Entrance(db)

    @command(*ENTRANCE, EmptyContent, ContentTooLong)
    async def put(self, actor: Actor, conversation_id: ConversationId, draft: DraftText) -> ServiceResult[DraftView]:
        await self.entrance.check(conversation_id, actor.user_id)
        if not draft.content.strip():
            return failure(EmptyContent())
        if len(draft.content) > MAX_CONTENT:
            return failure(ContentTooLong())
        now = self.clock.now()
        await self.drafts.put(actor.user_id, conversation_id, draft.content, now)
        self.announcer.to_users([actor.user_id], Sync(what="drafts"))
        return success(DraftView(conversation_id=conversation_id, content=draft.content, updated_at=now))

    @command(*ENTRANCE)
    async def remove(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[None]:
        await self.entrance.check(conversation_id, actor.user_id)
        if await self.drafts.remove(actor.user_id, conversation_id):
            self.announcer.to_users([actor.user_id], Sync(what="drafts"))
        return success(None)

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[DraftView]]:
        list_name = f"chat.drafts:{actor.user_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.drafts.page(actor.user_id, before, page.limit + 1)
        shown = found[: page.limit]
        more = (shown[-1].updated_at, shown[-1].conversation_id) if len(found) > page.limit else None
        return success(Page(items=shown, next_cursor=None if more is None else self.cursors.write(list_name, more)))


class OwnSettingsService(Service):
    """What somebody sets of a conversation for themselves: muted, archived."""

    def __init__(self, db: Database, clock: Clock, hub: Hub, profiles: ProfileService) -> None:
        super().__init__(db)
        self.clock, self.announcer, self.names = clock, Announcer(db, hub), Names(profiles)
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)

    @command(*ENTRANCE)
    async def mute(self, actor: Actor, conversation_id: ConversationId, mute: Mute) -> ServiceResult[ConversationView]:
        """For clients, which are silent about it until then: frames and counts stay as they are."""

        def apply(mine: Participant) -> None:
            mine.muted_until, mine.notifications = mute.until or FOREVER, NotificationLevel(mute.notifications)

        return await self._set(actor, conversation_id, "mute", apply)

    @command(*ENTRANCE)
    async def unmute(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[ConversationView]:
        def apply(mine: Participant) -> None:
            mine.muted_until, mine.notifications = None, NotificationLevel.ALL

        return await self._set(actor, conversation_id, "mute", apply)

    @command(*ENTRANCE)
    async def archive(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[ConversationView]:
        """Out of sight, as long as the actor wants."""

        def apply(mine: Participant) -> None:
            mine.archived_at = mine.archived_at or self.clock.now()

        return await self._set(actor, conversation_id, "archive", apply)

    @command(*ENTRANCE)
    async def unarchive(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[ConversationView]:
        def apply(mine: Participant) -> None:
            mine.archived_at = None

        return await self._set(actor, conversation_id, "archive", apply)

    async def _set(
        self, actor: Actor, conversation_id: ConversationId, what: str, apply: Callable[[Participant], None]
    ) -> ServiceResult[ConversationView]:
        mine = await self.participants.live(conversation_id, actor.user_id)
        row = await self.conversations.view(conversation_id, actor.user_id) if mine is not None else None
        if mine is None or row is None:
            standing = await self.participants.standing(conversation_id, actor.user_id)
            raise refusal(standing) or AssertionError("somebody live sees the conversation")
        apply(mine)
        await self.db.session.flush()
        self.announcer.to_users([actor.user_id], Sync(what=what))
        row = await self.conversations.view(conversation_id, actor.user_id)
        assert row is not None, "it was there a moment ago, in this transaction"
        (view,) = await self.names.conversations([row])
        return success(view)

"""Being asked into a group: seen, accepted, declined."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from plaza.chat.errors import Blocked, GroupFull, InviteNotFound
from plaza.chat.models import Role
from plaza.chat.repository import ConversationRepository, ParticipantRepository, PendingInviteRepository
from plaza.chat.schemas import ChatSettings, ConversationView
from plaza.chat.schemas.invites import InviteView
from plaza.chat.service.access import Entrance
from plaza.chat.service.announcing import Journal
from plaza.chat.service.consent import Consent
from plaza.chat.service.participants import join
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService


class InviteService(Service):
    def __init__(
        self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, profiles: ProfileService, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.invites, self.consent = PendingInviteRepository(db), Consent(db, clock, hub, profiles)
        self.entrance, self.journal, self.names = Entrance(db), Journal(db, clock, hub), Names(profiles)

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[InviteView]]:
        """One's own, the latest first."""
        list_name = f"chat.invites:{actor.user_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        found = await self.invites.page(actor.user_id, before, page.limit + 1)
        shown = found[: page.limit]
        cards = await self.names.cards({row.invited_by for row in shown if row.invited_by is not None})
        items = [
            InviteView(
                **row._mapping,
                invited_by_name=cards[row.invited_by].display_name if row.invited_by in cards else "",
            )
            for row in shown
        ]
        more = (shown[-1].created_at, shown[-1].conversation_id) if len(found) > page.limit else None
        return success(Page(items=items, next_cursor=None if more is None else self.cursors.write(list_name, more)))

    @command(InviteNotFound, Blocked, GroupFull)
    async def accept(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[ConversationView]:
        """He sees everything that was written before; it counts as read."""
        me = UserId(actor.user_id)
        conversation = await self.conversations.lock(conversation_id)
        invite = None if conversation is None else await self.invites.get(conversation_id, me)
        if conversation is None or invite is None:
            return failure(InviteNotFound())
        if invite.invited_by is not None:
            await self.entrance.must_not_be_between(me, [invite.invited_by])
        if conversation.participant_count >= self.settings.max_participants:
            return failure(GroupFull())
        role = Role(invite.role)
        await self.consent.settle(conversation_id, me)
        join(self.participants, conversation, me, role, self.clock.now(), conversation.last_seq)
        self.journal.write(conversation, "participant_added", actor_id=invite.invited_by, user_id=me, role=role)
        await self.db.session.flush()
        row = await self.conversations.view(conversation_id, me)
        assert row is not None, "just joined"
        (view,) = await self.names.conversations([row])
        return success(view)

    @command(InviteNotFound)
    async def decline(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[None]:
        """The group is not told."""
        await self.conversations.lock(conversation_id, deleted=True)
        is_open = await self.consent.settle(conversation_id, UserId(actor.user_id))
        return success(None) if is_open else failure(InviteNotFound())

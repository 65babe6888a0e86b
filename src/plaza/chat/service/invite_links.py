"""Invite links: whoever has the code may join, as long as it holds."""

from __future__ import annotations

import secrets
from datetime import datetime

from plaza.chat.errors import (
    AlreadyParticipant,
    CannotAddOwner,
    GroupFull,
    InvalidRole,
    InviteNotFound,
    NotGroup,
    TooManyInviteLinks,
)
from plaza.chat.models import InviteLink, Participant, Role
from plaza.chat.repository import ConversationRepository, InviteLinkRepository, ParticipantRepository
from plaza.chat.schemas import ChatSettings, ConversationView
from plaza.chat.schemas.invites import InviteLinkView, NewInviteLink
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.announcing import Journal
from plaza.chat.service.consent import Consent
from plaza.chat.service.participants import assignable, join
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied, RateLimited, ValidationFailed
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService

_CODE_BYTES = 16
_JOINING = (InviteNotFound, AlreadyParticipant, PermissionDenied, GroupFull)


class InviteLinkService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        cursors: Cursors,
        hub: Hub,
        limits: RateLimits,
        profiles: ProfileService,
        settings: ChatSettings,
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.limits, self.settings = clock, cursors, limits, settings
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.links, self.names = InviteLinkRepository(db), Names(profiles)
        self.consent = Consent(db, clock, hub, profiles)
        self.entrance, self.journal = Entrance(db), Journal(db, clock, hub)

    @command(*ENTRANCE, NotGroup, PermissionDenied, CannotAddOwner, InvalidRole, ValidationFailed, TooManyInviteLinks)
    async def create(
        self, actor: Actor, conversation_id: ConversationId, new: NewInviteLink
    ) -> ServiceResult[InviteLinkView]:
        """By the owner, and by admins for members."""
        me = await self._enter(actor, conversation_id)
        if new.role == Role.OWNER:
            raise CannotAddOwner
        role = assignable(new.role)
        _must_manage(me, role)
        now = self.clock.now()
        if new.expires_at is not None and (new.expires_at.tzinfo is None or new.expires_at <= now):
            raise ValidationFailed(errors={"expires_at": ["a time to come, with its offset from UTC"]})
        most = self.settings.max_invite_links
        if len(await self.links.page(conversation_id, None, most)) == most:
            raise TooManyInviteLinks
        link = self.links.add(
            InviteLink(
                code=secrets.token_urlsafe(_CODE_BYTES),
                conversation_id=conversation_id,
                created_by=UserId(actor.user_id),
                created_at=now,
                role=role,
                expires_at=new.expires_at,
                max_uses=new.max_uses,
                uses=0,
            )
        )
        return success(_view(link))

    @command(*ENTRANCE, NotGroup, PermissionDenied, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, page: PageRequest
    ) -> ServiceResult[Page[InviteLinkView]]:
        """For owner and admins, the latest first; revoked ones are gone, expired and used up ones are not."""
        list_name = f"chat.invite_links:{conversation_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, str])
        await self._enter(actor, conversation_id)
        found = await self.links.page(conversation_id, before, page.limit + 1)
        shown = found[: page.limit]
        more = (shown[-1].created_at, shown[-1].code) if len(found) > page.limit else None
        next_cursor = None if more is None else self.cursors.write(list_name, more)
        return success(Page(items=[_view(each) for each in shown], next_cursor=next_cursor))

    @command(*ENTRANCE, NotGroup, PermissionDenied, InviteNotFound)
    async def revoke(self, actor: Actor, conversation_id: ConversationId, code: str) -> ServiceResult[None]:
        """By whoever may make one like it."""
        me = await self._enter(actor, conversation_id)
        link = await self.links.get(code)
        if link is None or link.conversation_id != conversation_id or link.revoked_at is not None:
            raise InviteNotFound
        _must_manage(me, Role(link.role))
        link.revoked_at = self.clock.now()
        return success(None)

    @command(*_JOINING)
    async def use(self, actor: Actor, code: str) -> ServiceResult[ConversationView]:
        """Whoever was removed from the group comes back only by being added.

        The conversation is locked before the link is read, so that the last use is given once.
        """
        conversation_id = await self.links.conversation_of(code)
        conversation = None if conversation_id is None else await self.conversations.lock(conversation_id)
        link = None if conversation is None else await self.links.get(code)
        if conversation is None or link is None:
            return failure(InviteNotFound())
        stay = await self.participants.last_stay(conversation.id, actor.user_id)
        if stay is not None and stay.left_at is None:
            return failure(AlreadyParticipant())
        if not _holds(link, self.clock.now()):
            return failure(InviteNotFound())
        if stay is not None and stay.removed_by is not None:
            return failure(PermissionDenied())
        if conversation.participant_count >= self.settings.max_participants:
            return failure(GroupFull())
        link.uses += 1
        me, role = UserId(actor.user_id), Role(link.role)
        await self.consent.settle(conversation.id, me)
        join(self.participants, conversation, me, role, self.clock.now(), conversation.last_seq)
        self.journal.write(conversation, "participant_added", actor_id=me, user_id=me, role=role)
        await self.db.session.flush()
        row = await self.conversations.view(conversation.id, me)
        assert row is not None, "just joined"
        (view,) = await self.names.conversations([row])
        return success(view)

    @flow(use, RateLimited)
    async def join(self, actor: Actor, code: str) -> ServiceResult[ConversationView]:
        """`use` for a person, who may not try codes by the hundred."""
        self.limits.count("chat.join", actor.user_id, self.settings.joining)
        return await self.use(actor, code)

    async def _enter(self, actor: Actor, conversation_id: ConversationId) -> Participant:
        """Raises one of ENTRANCE, NotGroup, and PermissionDenied for members. The conversation is locked."""
        _, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role == Role.MEMBER:
            raise PermissionDenied
        return me


def _must_manage(me: Participant, role: Role) -> None:
    """Raises PermissionDenied where an admin would make admins."""
    if me.role == Role.ADMIN and role == Role.ADMIN:
        raise PermissionDenied


def _holds(link: InviteLink, now: datetime) -> bool:
    is_over = link.expires_at is not None and link.expires_at <= now
    is_used_up = link.max_uses is not None and link.uses >= link.max_uses
    return link.revoked_at is None and not is_over and not is_used_up


def _view(link: InviteLink) -> InviteLinkView:
    return InviteLinkView(**{name: getattr(link, name) for name in InviteLinkView.__struct_fields__})

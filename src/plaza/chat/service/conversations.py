"""Conversations: begun, listed, renamed, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import UNSET

from plaza.chat.errors import Blocked, ConversationNotFound, GroupFull, NotGroup, NotOwner, SameUser, TitleRequired
from plaza.chat.frames import ConversationUpdated
from plaza.chat.models import Conversation, Kind, Role
from plaza.chat.repository import ConversationRepository, ParticipantRepository
from plaza.chat.schemas import ChatSettings, ConversationView, CreatedConversation, GroupChange, NewConversation
from plaza.chat.service.access import ENTRANCE, Entrance, refusal
from plaza.chat.service.announcing import Announcer, Journal
from plaza.chat.service.consent import Consent
from plaza.chat.service.participants import join
from plaza.chat.service.views import Names, without_personal
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService, UserNotFound

MAX_TITLE = 100


class ConversationService(Service):
    def __init__(
        self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, profiles: ProfileService, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.entrance, self.names, self.consent = Entrance(db), Names(profiles), Consent(db, clock, hub, profiles)
        self.announcer, self.journal = Announcer(db, hub), Journal(db, clock, hub)

    @command(ValidationFailed, SameUser, TitleRequired, GroupFull, UserNotFound, Blocked)
    async def create(self, actor: Actor, new: NewConversation) -> ServiceResult[CreatedConversation]:
        """A group, or the one direct conversation of two people, which may stand already; a side that had left it is back."""
        me = UserId(actor.user_id)
        others = [UserId(each) for each in dict.fromkeys(new.member_ids) if each != me]
        if new.kind == Kind.GROUP:
            made, is_new = await self._create_group(me, others, new.title), True
        else:
            made, is_new = await self._open_direct(me, others, new)
        await self.db.session.flush()
        view = await self._view(made, me)
        if new.kind == Kind.DIRECT and is_new:  # a group tells of itself by its first message
            self.announcer.begun(made, [me, *others])
            for each in (me, *others):
                shown = without_personal(await self._view(made, each))
                told = ConversationUpdated(conversation_id=made, conversation=shown)
                self.announcer.to_users([each], told, about=made)
        return success(CreatedConversation(conversation=view, is_new=is_new))

    @query(InvalidCursor)
    async def page(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[ConversationView]]:
        """By last activity, the latest first."""
        list_name = f"chat.conversations:{actor.user_id}"
        before = None if page.cursor is None else self.cursors.read(list_name, page.cursor, tuple[datetime, UUID])
        rows = await self.conversations.views(actor.user_id, before, page.limit + 1)
        shown = rows[: page.limit]
        next_cursor = None
        if len(rows) > page.limit:
            next_cursor = self.cursors.write(list_name, (shown[-1].active_at, shown[-1].id))
        return success(Page(items=await self.names.conversations(shown), next_cursor=next_cursor))

    @query(*ENTRANCE)
    async def get(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[ConversationView]:
        row = await self.conversations.view(conversation_id, actor.user_id)
        if row is None:
            raise refusal(await self.participants.standing(conversation_id, actor.user_id)) or ConversationNotFound()
        (view,) = await self.names.conversations([row])
        return success(view)

    @command(*ENTRANCE, NotGroup, PermissionDenied, TitleRequired, ValidationFailed)
    async def change(
        self, actor: Actor, conversation_id: ConversationId, new: GroupChange
    ) -> ServiceResult[ConversationView]:
        """By owner and admins. A new title is told in the log, who may write and how often only to those who look."""
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role == Role.MEMBER:
            raise PermissionDenied
        title = conversation.title if new.title is UNSET else _title(new.title)
        before = conversation.title, conversation.slow_mode_s, conversation.posting
        wanted = (
            title,
            before[1] if new.slow_mode_s is UNSET else new.slow_mode_s,
            before[2] if new.posting is UNSET else new.posting,
        )
        if has_changed := before != wanted:
            conversation.title, conversation.slow_mode_s, conversation.posting = wanted
            if title != before[0]:
                self.journal.write(conversation, "title_changed", actor_id=actor.user_id, title=title)
            await self.db.session.flush()
        view = await self._view(conversation_id, me.user_id)
        if has_changed:
            frame = ConversationUpdated(conversation_id=conversation_id, conversation=without_personal(view))
            self.announcer.to_topic(conversation_id, frame)
        return success(view)

    @command(*ENTRANCE, NotGroup, NotOwner)
    async def delete(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[None]:
        """For everybody in it. Whoever listens is told that he is no longer part of it."""
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role != Role.OWNER:
            raise NotOwner
        conversation.deleted_at = self.clock.now()
        self.announcer.ended(conversation_id)
        self.announcer.parted(await self.participants.live_user_ids(conversation_id))
        return success(None)

    async def _create_group(self, me: UserId, others: Sequence[UserId], title: str | None) -> ConversationId:
        title = _title(title)
        if len(others) + 1 > self.settings.max_participants:
            raise GroupFull
        await self._must_be_open(me, others)
        now = self.clock.now()
        conversation = _conversation(ConversationId(uuid7()), Kind.GROUP, title, me, now)
        self.conversations.add(conversation)
        await self.db.session.flush()
        join(self.participants, conversation, me, Role.OWNER, now)
        asked = await self.consent.needed(others)
        members = [each for each in others if each not in asked]
        for each in members:
            join(self.participants, conversation, each, Role.MEMBER, now)
        self.journal.write(conversation, "group_created", actor_id=me, title=title, members=[me, *members])
        for each in asked:
            await self.consent.ask(conversation.id, each, Role.MEMBER, me)
        return conversation.id

    async def _open_direct(
        self, me: UserId, others: Sequence[UserId], new: NewConversation
    ) -> tuple[ConversationId, bool]:
        """Its id, and whether it is new. Under any race the two have one."""
        if new.title is not None:
            raise ValidationFailed(errors={"title": ["a direct conversation has none"]})
        if not others and new.member_ids:
            raise SameUser
        if len(others) != 1:
            raise ValidationFailed(errors={"member_ids": ["a direct conversation is with exactly one other person"]})
        await self._must_be_open(me, others)
        low, high = sorted((me, others[0]))
        now, made = self.clock.now(), ConversationId(uuid7())
        if not await self.conversations.create_direct(made, low, high, me, now):
            pair = await self.conversations.lock_pair(low, high)
            stood = await self.conversations.lock(pair.conversation_id)
            if stood is not None:
                await self._revive(stood, (low, high), me)
                return stood.id, False
            self.conversations.add(_conversation(made, Kind.DIRECT, None, me, now))  # both had left the last one
            await self.db.session.flush()
            pair.conversation_id = made
        conversation = await self.conversations.lock(made)
        assert conversation is not None, "just made"
        for each in (low, high):
            join(self.participants, conversation, each, Role.MEMBER, now)
        return made, True

    async def _revive(self, conversation: Conversation, pair: tuple[UserId, UserId], me: UserId) -> None:
        """Whoever had left it is back, with his marker where it was."""
        live = await self.participants.live_user_ids(conversation.id)
        for user_id in pair:
            if user_id not in live:
                stay = await self.participants.last_stay(conversation.id, user_id)
                marker = 0 if stay is None else stay.last_read_seq
                join(self.participants, conversation, user_id, Role.MEMBER, self.clock.now(), marker)
                self.journal.write(conversation, "participant_added", actor_id=me, user_id=user_id, role=Role.MEMBER)

    async def _must_be_open(self, me: UserId, others: Sequence[UserId]) -> None:
        """Raises UserNotFound for those who are gone, and Blocked."""
        if len(await self.names.cards(others)) < len(others):
            raise UserNotFound
        await self.entrance.must_not_be_between(me, others)

    async def _view(self, conversation_id: ConversationId, user_id: UserId) -> ConversationView:
        """For a participant of this transaction, flushed before."""
        row = await self.conversations.view(conversation_id, user_id)
        assert row is not None, "takes part"
        (view,) = await self.names.conversations([row])
        return view


def _conversation(id: ConversationId, kind: Kind, title: str | None, created_by: UserId, now: datetime) -> Conversation:
    return Conversation(
        id=id, kind=kind, title=title, created_by=created_by, participant_count=0, last_seq=0, created_at=now
    )


def _title(title: str | None) -> str:
    """Raises TitleRequired, and ValidationFailed for one that is too long."""
    title = (title or "").strip()
    if not title:
        raise TitleRequired
    if len(title) > MAX_TITLE:
        raise ValidationFailed(errors={"title": [f"at most {MAX_TITLE} characters"]})
    return title

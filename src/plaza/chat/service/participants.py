"""Who takes part in a group, and with which role.

The owner adds and removes anyone and changes roles; an admin adds and removes members; nobody removes himself (he leaves). A group has
exactly one owner as long as somebody is in it. Every change is told by the conversation itself, in its log. Nobody's invitations, by link
or by asking, outlive his right to invite.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from plaza.chat.errors import (
    AlreadyParticipant,
    Blocked,
    CannotAddOwner,
    CannotChangeOwnerRole,
    CannotRemoveOwner,
    CannotRemoveSelf,
    GroupFull,
    InvalidRole,
    NotGroup,
    NotOwner,
    ParticipantNotFound,
    SameUser,
)
from plaza.chat.models import Conversation, Participant, Role
from plaza.chat.repository import ConversationRepository, InviteLinkRepository, ParticipantRepository
from plaza.chat.schemas import (
    ChatSettings,
    ConversationView,
    NewOwner,
    NewParticipant,
    ParticipantView,
    RoleChange,
)
from plaza.chat.service.access import ENTRANCE, Entrance
from plaza.chat.service.announcing import Journal
from plaza.chat.service.consent import Consent
from plaza.chat.service.views import Names
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, PermissionDenied
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService, UserNotFound

_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Somebody who would be a participant if he says yes."""

    user_id: UserId
    role: Role
    joined_at: None = None
    last_read_seq: int = 0


class ParticipantService(Service):
    def __init__(
        self, db: Database, clock: Clock, cursors: Cursors, hub: Hub, profiles: ProfileService, settings: ChatSettings
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.settings = clock, cursors, settings
        self.conversations, self.participants = ConversationRepository(db), ParticipantRepository(db)
        self.entrance, self.journal, self.names = Entrance(db), Journal(db, clock, hub), Names(profiles)
        self.links, self.consent = InviteLinkRepository(db), Consent(db, clock, hub, profiles)

    @query(*ENTRANCE, InvalidCursor)
    async def page(
        self, actor: Actor, conversation_id: ConversationId, page: PageRequest
    ) -> ServiceResult[Page[ParticipantView]]:
        """In the order in which they joined. Of two people whom a block parts, none sees how far the other has read."""
        list_name = f"chat.participants:{conversation_id}"
        after = _BEFORE_ALL if page.cursor is None else self.cursors.read(list_name, page.cursor, UUID)
        await self.entrance.check(conversation_id, actor.user_id)
        rows = await self.participants.page(conversation_id, actor.user_id, after, page.limit + 1)
        shown = rows[: page.limit]
        next_cursor = self.cursors.write(list_name, shown[-1].id) if len(rows) > page.limit else None
        return success(Page(items=await self.names.participants(shown), next_cursor=next_cursor))

    @command(
        *ENTRANCE,
        NotGroup,
        PermissionDenied,
        CannotAddOwner,
        InvalidRole,
        UserNotFound,
        AlreadyParticipant,
        Blocked,
        GroupFull,
    )
    async def add(
        self, actor: Actor, conversation_id: ConversationId, added: NewParticipant
    ) -> ServiceResult[ParticipantView]:
        """He sees everything that was written before; it counts as read. Who wants to be asked first is asked, and not added yet."""
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role == Role.MEMBER or (me.role == Role.ADMIN and added.role == Role.ADMIN):
            raise PermissionDenied
        if added.role == Role.OWNER:
            raise CannotAddOwner
        role = assignable(added.role)
        if not await self.names.cards([added.user_id]):
            raise UserNotFound
        if await self.participants.live(conversation_id, added.user_id) is not None:
            raise AlreadyParticipant
        await self.entrance.must_not_be_between(actor.user_id, [added.user_id])
        if conversation.participant_count >= self.settings.max_participants:
            raise GroupFull
        user_id, now = UserId(added.user_id), self.clock.now()
        if await self.consent.needed([user_id]):
            await self.consent.ask(conversation_id, user_id, role, me.user_id)
            (view,) = await self.names.participants([_Asked(user_id, role)])
            return success(view)
        await self.consent.settle(conversation_id, user_id)
        participant = join(self.participants, conversation, user_id, role, now, conversation.last_seq)
        self.journal.write(
            conversation, "participant_added", actor_id=actor.user_id, user_id=added.user_id, role=participant.role
        )
        (view,) = await self.names.participants([participant])
        return success(view)

    @command(*ENTRANCE, NotGroup, NotOwner, InvalidRole, CannotChangeOwnerRole, ParticipantNotFound)
    async def change_role(
        self, actor: Actor, conversation_id: ConversationId, user_id: UserId, change: RoleChange
    ) -> ServiceResult[ParticipantView]:
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role != Role.OWNER:
            raise NotOwner
        if user_id == me.user_id:
            raise CannotChangeOwnerRole
        role = assignable(change.role)
        participant = await self._live(conversation_id, user_id)
        if participant.role != role:
            participant.role = role
            if role == Role.MEMBER:
                await self._withdraw(participant, [Role.ADMIN, Role.MEMBER])
            self.journal.write(conversation, "role_changed", actor_id=actor.user_id, user_id=user_id, role=role)
        (view,) = await self.names.participants([participant])
        return success(view)

    @command(*ENTRANCE, NotGroup, CannotRemoveSelf, PermissionDenied, ParticipantNotFound, CannotRemoveOwner)
    async def remove(self, actor: Actor, conversation_id: ConversationId, user_id: UserId) -> ServiceResult[None]:
        """Somebody who was only asked is asked no longer."""
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if user_id == me.user_id:
            raise CannotRemoveSelf
        if me.role == Role.MEMBER:
            raise PermissionDenied
        if await self.consent.settle(conversation_id, user_id):
            return success(None)
        participant = await self._live(conversation_id, user_id)
        if participant.role == Role.OWNER:
            raise CannotRemoveOwner
        if me.role == Role.ADMIN and participant.role == Role.ADMIN:
            raise PermissionDenied
        await self._end(conversation, participant)
        participant.removed_by = UserId(actor.user_id)
        self.journal.write(conversation, "participant_removed", actor_id=actor.user_id, user_id=user_id)
        return success(None)

    @command(*ENTRANCE)
    async def leave(self, actor: Actor, conversation_id: ConversationId) -> ServiceResult[None]:
        """A group falls to the oldest admin, else to the oldest member. With the last one out the conversation is deleted."""
        conversation, me = await self.entrance.lock(actor, conversation_id)
        if me.role == Role.OWNER:
            heir = await self.participants.heir(conversation_id, besides=me.user_id)
            if heir is not None:
                await self._hand_over(conversation, me, heir)
        await self._end(conversation, me)
        if conversation.participant_count == 0:
            conversation.deleted_at = self.clock.now()
        introduced: tuple[UserId, ...] = ()
        if conversation.last_seq == 0:  # nobody has written yet: no socket reads it before it is introduced
            introduced = (await self.conversations.pairs([conversation_id]))[conversation_id]
        self.journal.write(conversation, "participant_left", introduced=introduced, user_id=me.user_id)
        return success(None)

    @command(*ENTRANCE, NotGroup, NotOwner, SameUser, ParticipantNotFound)
    async def transfer_ownership(
        self, actor: Actor, conversation_id: ConversationId, new_owner: NewOwner
    ) -> ServiceResult[ConversationView]:
        """The former owner stays as an admin."""
        conversation, me = await self.entrance.lock_group(actor, conversation_id)
        if me.role != Role.OWNER:
            raise NotOwner
        if new_owner.user_id == me.user_id:
            raise SameUser
        await self._hand_over(conversation, me, await self._live(conversation_id, UserId(new_owner.user_id)))
        await self._withdraw(me, [Role.ADMIN])
        await self.db.session.flush()
        row = await self.conversations.view(conversation_id, actor.user_id)
        assert row is not None, "the actor is still in it"
        (view,) = await self.names.conversations([row])
        return success(view)

    async def _live(self, conversation_id: ConversationId, user_id: UserId) -> Participant:
        participant = await self.participants.live(conversation_id, user_id)
        if participant is None:
            raise ParticipantNotFound
        return participant

    async def _hand_over(self, conversation: Conversation, owner: Participant, heir: Participant) -> None:
        owner.role = Role.ADMIN
        await self.db.session.flush()  # the database holds that there is never a second owner
        heir.role = Role.OWNER
        self.journal.write(conversation, "ownership_transferred", user_id=heir.user_id, previous_owner_id=owner.user_id)

    async def _end(self, conversation: Conversation, participant: Participant) -> None:
        participant.left_at = self.clock.now()
        conversation.participant_count -= 1
        if participant.role != Role.MEMBER:
            await self._withdraw(participant, [Role.ADMIN, Role.MEMBER])

    async def _withdraw(self, maker: Participant, roles: Collection[Role]) -> None:
        """His invitations to these roles, which he may not give any more."""
        await self.links.revoke_of(maker.conversation_id, maker.user_id, roles, self.clock.now())
        await self.consent.withdraw(maker.conversation_id, maker.user_id, roles)


def join(
    participants: ParticipantRepository,
    conversation: Conversation,
    user_id: UserId,
    role: Role,
    now: datetime,
    last_read_seq: int = 0,
) -> Participant:
    """A new stay in a conversation that the caller has locked or just made."""
    conversation.participant_count += 1
    return participants.add(
        Participant(
            id=uuid7(),
            conversation_id=conversation.id,
            user_id=user_id,
            role=role,
            joined_at=now,
            last_read_seq=last_read_seq,
            last_delivered_seq=last_read_seq,
        )
    )


def assignable(role: str | None) -> Role:
    """What somebody can be made. Raises InvalidRole."""
    if role not in (Role.ADMIN, Role.MEMBER):
        raise InvalidRole
    return Role(role)

"""People who want to be asked before they are part of a group."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from plaza.chat.frames import Sync
from plaza.chat.models import Role
from plaza.chat.repository import PendingInviteRepository
from plaza.chat.service.announcing import Announcer
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.realtime import Hub
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import ProfileService


class Consent:
    """Under the lock of the conversation: nobody is part of it and asked at once."""

    def __init__(self, db: Database, clock: Clock, hub: Hub, profiles: ProfileService) -> None:
        self.clock, self.profiles = clock, profiles
        self.invites, self.announcer = PendingInviteRepository(db), Announcer(db, hub)

    async def needed(self, user_ids: Collection[UserId]) -> set[UserId]:
        """Those who want to be asked."""
        return (await self.profiles.ask_before_groups(user_ids)).unwrap() if user_ids else set()

    async def ask(self, conversation_id: ConversationId, user_id: UserId, role: Role, invited_by: UserId) -> None:
        """Whoever was asked already is asked for what the last one wants of him."""
        await self.invites.put(conversation_id, user_id, role, invited_by, self.clock.now())
        self._tell(user_id)

    async def settle(self, conversation_id: UUID, user_id: UserId) -> bool:
        """The question is answered, or withdrawn. False where none was open."""
        was_open = await self.invites.remove(conversation_id, user_id)
        if was_open:
            self._tell(user_id)
        return was_open

    async def withdraw(self, conversation_id: UUID, inviter: UserId, roles: Collection[Role]) -> None:
        """Whatever this one asked there, for these roles."""
        if asked := await self.invites.remove_by(conversation_id, inviter, roles):
            self._tell(*asked)

    async def refuse_of(self, user_id: UserId, inviter: UserId) -> None:
        """Whatever this one asked."""
        if await self.invites.remove_of(user_id, inviter):
            self._tell(user_id)

    def _tell(self, *user_ids: UserId) -> None:
        self.announcer.to_users(user_ids, Sync(what="invites"))

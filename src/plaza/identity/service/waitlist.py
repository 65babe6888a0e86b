"""The waitlist, where it is on: whoever completes a profile for the first time waits some hours.

    active --first username--> waitlisted --random 3.5 to 4 h, then the first request or the sweep--> active

Meanwhile everything but the own profile is WAITLISTED, sockets too; what needs no access token (login, refresh, logout) is as ever. Nobody
else can tell: their cards and answers are anybody's.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from plaza.core.clock import Clock, spelled_in_full
from plaza.core.db import Database
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, flow
from plaza.domain_events.identity import UserId
from plaza.identity.models import Profile, User, UserStatus
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import IdentitySettings
from plaza.identity.service.watch import StaleWatch

_BATCH = 500
_REMEMBERED = 50_000


class WaitlistService(Service):
    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, stale: StaleWatch) -> None:
        super().__init__(db)
        self.clock, self.settings, self.stale = clock, settings, stale
        self.users = UserRepository(db)
        self._promoted: set[UserId] = set()

    @command()
    async def note_completed(self, user: User, profile: Profile) -> ServiceResult[None]:
        """Part of the change of a profile; both rows are locked. Staff do not wait, nor does anybody twice."""
        if profile.completed_at is not None or profile.username is None:
            return success(None)
        now = self.clock.now()
        profile.completed_at = now
        if not self.settings.waitlist or user.is_staff or user.status is not UserStatus.ACTIVE:
            return success(None)
        shortest, longest = self.settings.waitlist_min_s, self.settings.waitlist_max_s
        wait = shortest + secrets.randbelow(longest - shortest + 1)
        user.waitlist(spelled_in_full(now.replace(microsecond=0) + timedelta(seconds=wait)))
        version = await self.users.outdate(user, now)

        async def tell() -> None:
            self.stale.outdate(user.id, version, is_waitlisted=True)

        self.db.after_commit(tell)
        return success(None)

    async def admit(self, user_id: UserId) -> bool:
        """Whether somebody's time has come, as their token says. The first time it is asked here, it also becomes so."""
        if user_id not in self._promoted:
            if not (await self._promote(user_id)).unwrap():
                return False
            if len(self._promoted) >= _REMEMBERED:
                self._promoted.clear()
            self._promoted.add(user_id)
        return True

    @flow()
    async def sweep(self) -> ServiceResult[None]:
        """Promotes those who have not come back since their time came."""
        while (await self._sweep()).unwrap() == _BATCH:
            pass
        return success(None)

    @command()
    async def _promote(self, user_id: UserId) -> ServiceResult[bool]:
        """Whether they do not wait any longer. Of racing calls the second finds them promoted."""
        user = await self.users.lock(user_id)
        if user is None:
            return success(False)
        if user.status is UserStatus.WAITLISTED:
            if user.waitlisted_until is None or user.waitlisted_until > self.clock.now():
                return success(False)
            await self._let_in(user)
        return success(True)

    @command()
    async def _sweep(self) -> ServiceResult[int]:
        due = await self.users.lock_waited(self.clock.now(), _BATCH)
        for user in due:
            await self._let_in(user)
        return success(len(due))

    async def _let_in(self, user: User) -> None:
        """Tokens stay good: that their time to wait is over, they say themselves."""
        user.promote()
        await self.users.tell_standing(user)

        async def tell() -> None:
            self.stale.outdate(user.id, user.token_version, is_waitlisted=False)

        self.db.after_commit(tell)

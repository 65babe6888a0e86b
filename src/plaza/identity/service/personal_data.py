"""Identity's own share of a person."""

from __future__ import annotations

from collections.abc import AsyncIterator

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.personal_data import Erased, Person, Piece, document, lines
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.models.privacy import export_key
from plaza.identity.repository import UserRepository
from plaza.identity.repository.privacy import PersonalRows
from plaza.identity.schemas import RemoveExports
from plaza.identity.service.attempts import LoginAttempts


class IdentityData(Service):
    """Of the account a row stays that says that somebody was here, when they came and when they left."""

    def __init__(self, db: Database, clock: Clock, attempts: LoginAttempts) -> None:
        super().__init__(db)
        self.clock, self.attempts, self.users, self.rows = clock, attempts, UserRepository(db), PersonalRows(db)

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        user_id = UserId(person.user_id)
        yield document("account", await self.rows.account(user_id))
        yield document("profile", await self.rows.profile(user_id))
        async for name, rows in self.rows.lists(user_id):
            if rows:
                yield document(name, rows)
        yield lines("sessions", self.rows.sessions(user_id))
        yield lines("login_attempts", self.rows.login_attempts(user_id))

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        user_id = UserId(person.user_id)
        user = await self.users.lock(user_id, deleted=True)
        if user is None:
            return success(Erased({}))
        if exports := await self.rows.export_ids(user_id):
            self.db.enqueue(RemoveExports(keys=[export_key(each) for each in exports]))
        username = (await self.rows.profile(user_id)).get("username")
        names = (*person.contacts, username) if username else person.contacts
        tried = [each for name in names for each in self.attempts.all_hashes(name)]
        counts = await self.rows.erase(user_id, person.contacts, tried)
        counts["user"] = int(user.email is not None or user.phone is not None)
        user.email = user.phone = user.password_hash = user.email_vouched_by = user.ban_reason = None
        user.email_verified_at = user.phone_verified_at = user.last_login_at = None
        user.banned_until = user.waitlisted_until = None
        user.is_staff = user.is_superuser = False
        user.deleted_at = user.deleted_at or self.clock.now()
        return success(Erased(counts))

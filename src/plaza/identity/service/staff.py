"""What staff do about people: find them, keep them out and let them in again, end their sessions.

Whoever acts on an account must be able to do all that its owner can (`RoleService.check_reach`). What was done stands in the audit log,
with the reason, in the transaction that does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor, InvalidTransition, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import UserNotFound
from plaza.identity.models import EndReason, User, UserStatus
from plaza.identity.repository import StaffRepository, UserRepository
from plaza.identity.schemas import (
    USERS_BAN,
    USERS_DEACTIVATE,
    USERS_SESSIONS,
    BanInput,
    ReasonInput,
    StaffSessionView,
    StaffUserView,
    UserSearch,
)
from plaza.identity.service.roles import RoleService
from plaza.identity.service.sessions import SessionService

_BATCH = 500
_CURSOR = "identity.users"


class StaffService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        cursors: Cursors,
        audit: AuditService,
        roles: RoleService,
        sessions: SessionService,
    ) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.audit, self.roles, self.sessions = clock, cursors, audit, roles, sessions
        self.people, self.users = StaffRepository(db), UserRepository(db)

    @query(InvalidCursor)
    async def search(self, wanted: UserSearch, page: PageRequest) -> ServiceResult[Page[StaffUserView]]:
        """Newest first. Who may look is the route's to say."""
        after = UserId(self.cursors.read(_CURSOR, page.cursor, UUID)) if page.cursor is not None else None
        found = await self.people.search(wanted, self.clock.now(), after=after, limit=page.limit + 1)
        items = found[: page.limit]
        more = self.cursors.write(_CURSOR, items[-1].id) if len(found) > page.limit else None
        return success(Page(items, more))

    @query(UserNotFound)
    async def view(self, user_id: UserId) -> ServiceResult[StaffUserView]:
        found = await self.people.view(user_id, self.clock.now())
        return success(found) if found is not None else failure(UserNotFound())

    @command(InvalidTransition, ValidationFailed, RoleService.check_reach, RoleService.check_dispensable)
    async def ban(self, actor: Actor, user_id: UserId, given: BanInput) -> ServiceResult[StaffUserView]:
        """All sessions end. Of somebody who is banned already, it changes the reason and the end."""
        if given.until is not None and given.until <= self.clock.now():
            return failure(ValidationFailed(errors={"until": ["Lies in the past."]}))
        user = await self._account(actor, user_id, USERS_BAN.name)
        (await self.roles.check_dispensable(user_id)).unwrap()
        before = _standing(user)
        if user.status is UserStatus.BANNED:
            user.ban_reason, user.banned_until = given.reason, given.until
        else:
            user.ban(given.reason, given.until)
        await self._keep_out(actor, user)
        return await self._changed(actor, user, "user_banned", before)

    @command(InvalidTransition, RoleService.check_reach)
    async def unban(self, actor: Actor, user_id: UserId) -> ServiceResult[StaffUserView]:
        """The account is again what it was before: open, closed, or waiting."""
        user = await self._account(actor, user_id, USERS_BAN.name)
        if user.status is not UserStatus.BANNED:
            return failure(InvalidTransition(f"This account is {user.status}."))
        before = _standing(user)
        user.lift_ban()
        return await self._changed(actor, user, "user_unbanned", before)

    @command(InvalidTransition, RoleService.check_reach, RoleService.check_dispensable)
    async def deactivate(self, actor: Actor, user_id: UserId, given: ReasonInput) -> ServiceResult[StaffUserView]:
        """All sessions end; the data stays."""
        user = await self._account(actor, user_id, USERS_DEACTIVATE.name)
        (await self.roles.check_dispensable(user_id)).unwrap()
        before = _standing(user)
        user.deactivate()
        await self._keep_out(actor, user)
        return await self._changed(actor, user, "user_deactivated", before, reason=given.reason)

    @command(InvalidTransition, RoleService.check_reach)
    async def reinstate(self, actor: Actor, user_id: UserId) -> ServiceResult[StaffUserView]:
        """Of an account that was closed, by staff or by its owner."""
        user = await self._account(actor, user_id, USERS_DEACTIVATE.name)
        if user.status is not UserStatus.DEACTIVATED or not user.is_verified:
            return failure(InvalidTransition(f"This account is {user.status}."))
        before = _standing(user)
        user.reinstate()
        return await self._changed(actor, user, "user_reinstated", before)

    @query(InvalidCursor, UserNotFound)
    async def open_sessions(self, user_id: UserId, page: PageRequest) -> ServiceResult[Page[StaffSessionView]]:
        """Newest first, those of impersonators included."""
        if await self.people.view(user_id, self.clock.now()) is None:
            return failure(UserNotFound())
        name = f"identity.staff_sessions:{user_id}"
        after = SessionId(self.cursors.read(name, page.cursor, UUID)) if page.cursor is not None else None
        found = await self.people.sessions(user_id, self.clock.now(), after=after, limit=page.limit + 1)
        items = found[: page.limit]
        return success(Page(items, self.cursors.write(name, items[-1].id) if len(found) > page.limit else None))

    @command(SessionService.end_of, RoleService.check_reach)
    async def end_session(self, actor: Actor, user_id: UserId, session_id: SessionId) -> ServiceResult[None]:
        (await self.roles.check_reach(actor, user_id, USERS_SESSIONS.name)).unwrap()
        return await self.sessions.end_of(user_id, session_id, EndReason.ENDED_BY_STAFF, by=actor)

    @command(RoleService.check_reach)
    async def end_sessions(self, actor: Actor, user_id: UserId) -> ServiceResult[None]:
        (await self.roles.check_reach(actor, user_id, USERS_SESSIONS.name)).unwrap()
        return await self.sessions.end_all(user_id, EndReason.ENDED_BY_STAFF, by=actor)

    @flow()
    async def lapse_bans(self) -> ServiceResult[None]:
        """Lifts those whose time is over."""
        while (await self._lapse_bans()).unwrap() == _BATCH:
            pass
        return success(None)

    @command()
    async def _lapse_bans(self) -> ServiceResult[int]:
        lapsed = await self.people.lock_lapsed_bans(self.clock.now(), _BATCH)
        for user in lapsed:
            before = _standing(user)
            user.lift_ban()
            await self._record(None, user, "ban_lapsed", before, _standing(user))
        return success(len(lapsed))

    async def _account(self, actor: Actor, user_id: UserId, permission: str) -> User:
        """Locked, of somebody within reach."""
        (await self.roles.check_reach(actor, user_id, permission)).unwrap()
        user = await self.users.lock(user_id)
        assert user is not None  # it was locked a moment ago
        return user

    async def _keep_out(self, actor: Actor, user: User) -> None:
        await self.db.session.flush()
        (await self.sessions.end_all(user.id, EndReason.ACCOUNT_DISABLED, by=actor)).unwrap()

    async def _changed(
        self, actor: Actor, user: User, action: str, before: Mapping[str, Any], **why: str
    ) -> ServiceResult[StaffUserView]:
        await self.db.session.flush()
        await self._record(actor, user, action, before, {**_standing(user), **why})
        return await self.view(user.id)

    async def _record(
        self, actor: Actor | None, user: User, action: str, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        entry = AuditEntry(
            action=f"identity.{action}",
            subject_type="user",
            subject_id=str(user.id),
            actor=actor,
            user_id=user.id,
            before=before,
            after=after,
        )
        (await self.audit.record(entry)).unwrap()


def _standing(user: User) -> dict[str, Any]:
    if user.status is not UserStatus.BANNED:
        return {"status": user.status}
    return {"status": user.status, "reason": user.ban_reason, "until": user.banned_until}

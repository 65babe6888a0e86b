"""Staff acting as a person: to see what they see, for half an hour, never their money or credentials.

The session belongs to the person and names the member of staff, who is the `act` of its access token (RFC 8693); there is no refresh
token, so it cannot be prolonged, and it ends as soon as any session of that member of staff does. Beginning and end stand in the audit
log, and so does everything done meanwhile under both names, an entry per request or frame, all with the session as their subject. As with
Keycloak and Clerk the person is not disturbed; `impersonation_notice` mails them.
"""

from __future__ import annotations

from datetime import timedelta

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.witness import Deed
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.errors import CannotImpersonate
from plaza.identity.models import EndReason, Session
from plaza.identity.repository import RoleRepository, SessionRepository, UserRepository
from plaza.identity.schemas import (
    USERS_IMPERSONATE,
    Grant,
    IdentitySettings,
    ImpersonationView,
    Origin,
    ReasonInput,
)
from plaza.identity.service.devices import describe_device
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.roles import RoleService
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.tokens import TokenService


class ImpersonationService(Service):
    """Implements `core.witness.Witness`."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        audit: AuditService,
        roles: RoleService,
        sessions: SessionService,
        tokens: TokenService,
        notices: SecurityNotices,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.audit, self.notices = clock, settings, audit, notices
        self.roles, self.sessions, self.tokens = roles, sessions, tokens
        self.rows, self.users, self.rights = SessionRepository(db), UserRepository(db), RoleRepository(db)

    @flow(CannotImpersonate, Unauthenticated, RoleService.check_reach, TokenService.pair)
    async def start(
        self, actor: Actor, user_id: UserId, given: ReasonInput, origin: Origin
    ) -> ServiceResult[ImpersonationView]:
        grant = (await self._start(actor, user_id, given.reason, origin)).unwrap()
        pair = (await self.tokens.pair(grant)).unwrap()
        return success(
            ImpersonationView(
                access_token=pair.access_token,
                expires_in=pair.expires_in,
                session_id=grant.session_id,
                user=pair.user,
            )
        )

    @command()
    async def expire(self) -> ServiceResult[int]:
        """Ends those whose time is over: their tokens are dead by then, their sockets not yet."""
        over = await self.rows.lock_impersonations(expired_at=self.clock.now())
        (await self.sessions.end_these(over, EndReason.IMPERSONATION_OVER)).unwrap()
        return success(len(over))

    @command()
    async def tell(self, actor: Actor, deed: Deed) -> ServiceResult[None]:
        entry = AuditEntry(
            action="identity.impersonator_acted",
            subject_type="session",
            subject_id=str(actor.session_id),
            actor=actor,
            after=deed,
        )
        return await self.audit.record(entry)

    @command(CannotImpersonate, Unauthenticated, RoleService.check_reach)
    async def _start(self, actor: Actor, user_id: UserId, reason: str, origin: Origin) -> ServiceResult[Grant]:
        (await self.roles.check_reach(actor, user_id, USERS_IMPERSONATE.name)).unwrap()
        user, now = await self.users.lock(user_id), self.clock.now()
        if user is None or not user.may_log_in:
            return failure(CannotImpersonate())
        if (await self.rights.rights_of(user_id, now)).is_staff:
            return failure(CannotImpersonate())
        own_id = SessionId(actor.session_id) if actor.session_id is not None else None
        if own_id is None or await self.rows.lock_live(own_id, now) is None:  # with it this one is to end
            return failure(Unauthenticated("This session has ended."))
        name, platform = describe_device(origin.user_agent)
        session = self.rows.add(
            Session(
                id=SessionId(uuid7()),
                user_id=user_id,
                device_name=name,
                platform=platform,
                user_agent=origin.user_agent[:500],
                ip=origin.ip,
                methods=[],
                impersonator_id=UserId(actor.user_id),
                impersonation_reason=reason,
                created_at=now,
                authenticated_at=now,
                last_used_at=now,
                expires_at=now + timedelta(seconds=self.settings.impersonation_s),
            )
        )
        await self.db.session.flush()
        entry = AuditEntry(
            action="identity.impersonation_started",
            subject_type="session",
            subject_id=str(session.id),
            actor=actor,
            user_id=user_id,
            after={"reason": reason, "expires_at": session.expires_at},
        )
        (await self.audit.record(entry)).unwrap()
        if self.settings.impersonation_notice:
            (await self.notices.tell(user_id, Change.IMPERSONATED, detail=reason)).unwrap()
        return success(
            Grant(
                session_id=session.id,
                authenticated_at=now,
                expires_at=session.expires_at,
                refresh_token=None,
                user=(await self.users.views([user_id]))[user_id],
                is_superuser=False,
                token_version=user.token_version,
                waitlisted_until=user.waitlisted_until,
                impersonator_id=UserId(actor.user_id),
            )
        )

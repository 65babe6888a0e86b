"""What every change of a way to prove who one is has in common: an audit row, a notice to the owner, the end of other sessions.

All of it in the transaction of the change, and under the lock of the user's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.errors import StepUpRequired
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import EndReason
from plaza.identity.repository import MfaRepository, SessionRepository, UserRepository
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.sessions import SessionService

# The `amr` value of a login that showed more than one factor (RFC 8176).
MULTI_FACTOR = "mfa"


class FactorService(Service):
    def __init__(self, db: Database, sessions: SessionService, audit: AuditService, notices: SecurityNotices) -> None:
        super().__init__(db)
        self.sessions, self.audit, self.notices = sessions, audit, notices
        self.users, self.session_rows, self.factors = UserRepository(db), SessionRepository(db), MfaRepository(db)

    @command(StepUpRequired)
    async def begin_change(self, actor: Actor) -> ServiceResult[None]:
        """Locks the user's row, and checks that the second factor was shown."""
        await self.users.lock(UserId(actor.user_id))
        return await self.check_shown(actor)

    @command(StepUpRequired)
    async def check_shown(self, actor: Actor) -> ServiceResult[None]:
        """Who has a second factor must have shown it in this session. Under the lock of the user's row.

        The route has asked for a recent login already. This refuses the session that somebody opened with a mere password, shortly
        before the owner turned the second factor on.
        """
        user_id = UserId(actor.user_id)
        if MULTI_FACTOR not in actor.methods and await self.factors.has_app(user_id):
            session = await self.session_rows.get(actor.session_id) if actor.session_id is not None else None
            if session is None or MULTI_FACTOR not in session.methods:
                return failure(StepUpRequired("Log in again, with your second factor."))
        return success(None)

    @command()
    async def end_change(
        self,
        actor: Actor,
        action: str,
        change: Change,
        *,
        subject: tuple[str, UUID],
        detail: str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        end_other_sessions: bool = False,
    ) -> ServiceResult[None]:
        """`subject` is (type, id) of what was changed, `detail` the name that its owner gave it."""
        entry = AuditEntry(
            action=action, subject_type=subject[0], subject_id=str(subject[1]), actor=actor, before=before, after=after
        )
        (await self.audit.record(entry)).unwrap()
        (await self.notices.tell(UserId(actor.user_id), change, detail=detail)).unwrap()
        if end_other_sessions:
            (await self.sessions.end_others(actor, EndReason.CREDENTIALS_CHANGED)).unwrap()
        return success(None)

    @command()
    async def shown(self, actor: Actor, *methods: str) -> ServiceResult[None]:
        """A further factor was shown within the session: from now on it is one of several factors."""
        session = await self.session_rows.lock(SessionId(actor.session_id)) if actor.session_id is not None else None
        if session is not None:
            session.methods = list(dict.fromkeys([*session.methods, *methods, MULTI_FACTOR]))
        return success(None)

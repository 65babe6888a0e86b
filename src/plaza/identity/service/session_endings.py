"""How sessions end: in their rows, in the audit log, and, once that has committed, for every process and device.

A session takes with it those in which its owner acts as somebody else: whoever is logged out is nobody any more. Locked are a person's
own sessions before those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.service import Service
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.models import EndReason, Session, User, UserStatus
from plaza.identity.repository import SessionRepository, UserRepository
from plaza.identity.service.watch import SessionWatch, StaleWatch


class SessionEndings(Service):
    """Parts of the transactions of `SessionService`."""

    def __init__(self, db: Database, clock: Clock, watch: SessionWatch, stale: StaleWatch, audit: AuditService) -> None:
        super().__init__(db)
        self.clock, self.watch, self.stale, self.audit = clock, watch, stale, audit
        self.sessions, self.users = SessionRepository(db), UserRepository(db)

    async def end_with_acting(self, sessions: Sequence[Session], reason: EndReason, by: Actor | None) -> None:
        """Locked ones. One in which somebody was somebody else takes nothing with it."""
        await self.end_acting([each.user_id for each in sessions if each.is_own and each.revoked_at is None], by)
        await self.end([each.id for each in sessions], reason, by)

    async def end_acting(self, user_ids: Sequence[UserId], by: Actor | None) -> None:
        """Those in which these people are somebody else."""
        if user_ids:
            await self.end(await self.sessions.lock_impersonations(user_ids), EndReason.IMPERSONATION_OVER, by)

    async def end(self, ids: Sequence[SessionId], reason: EndReason, by: Actor | None) -> None:
        """Those of them that are open."""
        if not ids:
            return
        ended = await self.sessions.end(ids, reason, self.clock.now())
        entries = list[AuditEntry]()
        for session_id, (user_id, impersonator_id) in ended.items():
            told: dict[str, Any] = {"reason": reason}
            if impersonator_id is None:
                entries.append(session_entry("identity.session_ended", session_id, user_id, by, told))
            else:
                told["impersonator_id"] = impersonator_id
                entries.append(session_entry("identity.impersonation_ended", session_id, user_id, by, told))
        (await self.audit.record(*entries)).unwrap()

        async def tell() -> None:
            self.watch.end(ended)
            for session_id, (user_id, impersonator_id) in ended.items():
                if impersonator_id is None:  # no device of the person's, and nothing that they are told of
                    await self.watch.revoked(user_id, session_id)

        self.db.after_commit(tell)

    async def outdate(self, user: User) -> None:
        version = await self.users.outdate(user, self.clock.now())

        async def tell() -> None:
            self.stale.outdate(user.id, version, user.status is UserStatus.WAITLISTED)

        self.db.after_commit(tell)


def session_entry(
    action: str,
    session_id: SessionId,
    user_id: UserId,
    by: Actor | None,
    after: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> AuditEntry:
    return AuditEntry(
        action=action,
        subject_type="session",
        subject_id=str(session_id),
        actor=by,
        user_id=user_id,
        before=before,
        after=after,
    )

"""Who may log in by which outside account."""

from __future__ import annotations

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.domain_events.identity import UserId
from plaza.identity.models import LinkedAccount
from plaza.identity.repository import LinkedAccountRepository

LINKED, UNLINKED = "identity.account_linked", "identity.account_unlinked"


class AccountLinks:
    """Works inside its caller's transaction, which has locked the user's row; the audit log is told, the person is not."""

    def __init__(self, db: Database, clock: Clock, audit: AuditService) -> None:
        self.db, self.clock, self.audit, self.accounts = db, clock, audit, LinkedAccountRepository(db)

    async def find(self, provider: str, subject: str) -> LinkedAccount | None:
        """Locked."""
        return await self.accounts.lock_by_subject(provider, subject)

    async def add(
        self, user_id: UserId, provider: str, subject: str, *, email: str | None, by: Actor | None = None
    ) -> LinkedAccount:
        """Raises LinkedAccountTaken."""
        account = LinkedAccount(
            id=uuid7(),
            user_id=user_id,
            provider=provider,
            provider_user_id=subject,
            email=email,
            created_at=self.clock.now(),
        )
        await self.accounts.insert(account)
        await self.accounts.forget_unlinked(user_id, provider, subject)
        await self._record(LINKED, account, by)
        return account

    async def remove(self, account: LinkedAccount, *, by: Actor) -> None:
        """From now on it is linked to them by their own act alone."""
        await self.db.session.delete(account)
        await self.accounts.keep_unlinked(account, self.clock.now())
        await self._record(UNLINKED, account, by)

    async def _record(self, action: str, account: LinkedAccount, by: Actor | None) -> None:
        shown = {"provider": account.provider, "email": account.email}
        entry = AuditEntry(
            action=action,
            subject_type="linked_account",
            subject_id=str(account.id),
            actor=by,
            user_id=account.user_id,
            before=shown if action == UNLINKED else None,
            after=shown if action == LINKED else None,
        )
        (await self.audit.record(entry)).unwrap()

"""Addresses and numbers that an account had earlier: what was sent to them is known by nothing else."""

from __future__ import annotations

from plaza.audit import AuditService
from plaza.core.db import Database
from plaza.domain_events.identity import UserId
from plaza.identity.repository import UserRepository

_MOVES = ("identity.email_changed", "identity.email_change_undone", "identity.phone_changed")


class FormerContacts:
    """The audit log remembers them, until it is erased itself."""

    def __init__(self, db: Database, audit: AuditService) -> None:
        self.users, self.audit = UserRepository(db), audit

    async def of(self, user_id: UserId) -> tuple[str, ...]:
        """Those that are nobody's by now: of what was sent to the others, nobody could say to whom."""
        earlier: set[str] = set()
        for field in ("email", "phone"):
            earlier.update((await self.audit.values_before(user_id, field, _MOVES)).unwrap())
        return tuple(sorted(earlier - await self.users.contacts_in_use(earlier)))

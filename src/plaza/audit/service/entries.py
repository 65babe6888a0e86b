"""Writing entries, finding them, and taking a person out of them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from plaza.audit.repository import EntryRepository, parameters_of
from plaza.audit.schemas import AuditEntry, AuditEntryView, AuditFilter
from plaza.core.clock import Clock
from plaza.core.correlation import correlation_id
from plaza.core.crypto import Sealed
from plaza.core.db import Cursors, Database, Page, PageRequest
from plaza.core.errors import InvalidCursor
from plaza.core.ids import uuid7
from plaza.core.origin import whence
from plaza.core.personal_data import Erased, Person, Piece, lines
from plaza.core.result import ServiceResult, success
from plaza.core.service import Service, command, query

log = structlog.get_logger(__name__)

ERASED = "audit.entries_erased"
SALT_BYTES = 16
_EXPORTED_AT_ONCE = 500
_EXPORTED = ("at", "action", "subject_type", "subject_id", "before", "after")
_EXPORTED_OF_OWN = ("ip", "user_agent")
_CURSOR = "audit.entries"
_WITHHELD = "[withheld]"
_WORDS = re.compile(r"[A-Za-z][a-z]*|\d+")
_SECRETS = frozenset(
    {
        "authorization",
        "challenge",
        "code",
        "cookie",
        "credential",
        "hash",
        "otp",
        "passwd",
        "password",
        "pin",
        "private",
        "salt",
        "secret",
        "seed",
        "signature",
        "ticket",
        "token",
        "totp",
        "verifier",
    }
)
_HARMLESS = frozenset({"country_code", "credential_id", "error_code", "key_id", "token_id", "token_version"})


class SecretInAudit(RuntimeError):
    """What was to be written down is called like a secret, or is one."""


class AuditService(Service):
    def __init__(self, db: Database, clock: Clock, cursors: Cursors) -> None:
        super().__init__(db)
        self.clock, self.cursors, self.entries = clock, cursors, EntryRepository(db)

    @command()
    async def record(self, *entries: AuditEntry) -> ServiceResult[None]:
        """Part of the caller's transaction. When, from where and the correlation id are added here.

        Raises SecretInAudit where mistakes are to be found; in production the value is withheld instead.
        """
        if entries:
            await self.entries.write([self._row(each) for each in entries])
        return success(None)

    def parameters(self, entry: AuditEntry) -> dict[str, Any]:
        """Those of `entry_inserted`: for who writes in one statement, which is a transaction by itself. Raises like `record`."""
        return parameters_of(self._row(entry))

    @query(InvalidCursor)
    async def search(self, filter: AuditFilter, page: PageRequest) -> ServiceResult[Page[AuditEntryView]]:
        """The latest first. Who may read it is the route's to say."""
        after = self.cursors.read(_CURSOR, page.cursor, tuple[datetime, UUID]) if page.cursor is not None else None
        rows = await self.entries.page(filter, after, page.limit + 1)
        items = [view_of(row) for row in rows[: page.limit]]
        more = len(rows) > page.limit
        return success(Page(items, self.cursors.write(_CURSOR, (items[-1].at, items[-1].id)) if more else None))

    @query()
    async def values_before(self, user_id: UUID, field: str, actions: Collection[str]) -> ServiceResult[set[str]]:
        """What this field of an account held before such changes of it, as far as that is not erased."""
        return success(await self.entries.values_before(user_id, field, actions))

    @command()
    async def erase(self, person: Person) -> ServiceResult[Erased]:
        """Of what this person did and what was done to their account, only ids, times and names of actions stay: pseudonyms."""
        emptied = await self.entries.erase(person.user_id)
        if emptied:
            told = AuditEntry(
                action=ERASED,
                subject_type="user",
                subject_id=str(person.user_id),
                actor=None,
                after={"entries": emptied},
            )
            (await self.record(told)).unwrap()
        return success(Erased({"entries": emptied}))

    async def export(self, person: Person) -> AsyncIterator[Piece]:
        """What concerns their account; from where others acted on it is not theirs to know."""
        yield lines("entries", self._of(person.user_id))

    async def _of(self, user_id: UUID) -> AsyncIterator[dict[str, Any]]:
        after: tuple[datetime, UUID] | None = None
        while rows := await self.entries.page(AuditFilter(user_id=user_id), after, _EXPORTED_AT_ONCE):
            for row in rows:
                own = row.actor_id in (None, user_id) and row.impersonator_id is None
                names = _EXPORTED + _EXPORTED_OF_OWN if own else _EXPORTED
                yield {name: getattr(row, name) for name in names}
            after = rows[-1].at, rows[-1].id

    def _row(self, entry: AuditEntry) -> dict[str, Any]:
        actor, place = entry.actor, whence()
        return {
            "id": uuid7(),
            "at": self.clock.now(),
            "action": entry.action,
            "subject_type": entry.subject_type,
            "subject_id": entry.subject_id,
            "actor_id": actor.user_id if actor else None,
            "user_id": entry.user_id or (actor.user_id if actor else None),
            "session_id": actor.session_id if actor else None,
            "api_key_id": actor.api_key_id if actor else None,
            "impersonator_id": actor.impersonator_id if actor else None,
            "organization_id": actor.organization_id if actor else None,
            "correlation_id": correlation_id(),
            "ip": place.ip,
            "user_agent": place.user_agent,
            "before": self._told(entry.before),
            "after": self._told(entry.after),
            "salt": secrets.token_bytes(SALT_BYTES),
        }

    def _told(self, values: Mapping[str, Any] | None) -> dict[str, Any] | None:
        if values is None:
            return None
        told: dict[str, Any] = {}
        for name, value in values.items():
            if _is_secret(name, value):
                if self.db.strict:
                    raise SecretInAudit(name)
                log.error("secret_in_audit", field=name)
                told[name] = _WITHHELD
            else:
                told[name] = self._told(value) if isinstance(value, Mapping) else msgspec.to_builtins(value)
        return told


def _is_secret(name: str, value: Any) -> bool:
    """By its type, or by what it is called; a yes or no, such as `has_password`, gives nothing away."""
    if isinstance(value, (bytes, bytearray, Sealed)):
        return True
    if value is None or isinstance(value, bool) or name in _HARMLESS:
        return False
    words = {word.lower() for word in _WORDS.findall(name)}
    return not words.isdisjoint(_SECRETS) or {"api", "key"} <= words


def view_of(row: Any) -> AuditEntryView:
    return AuditEntryView(
        erased=row.salt is None,
        **{name: getattr(row, name) for name in AuditEntryView.__struct_fields__ if name != "erased"},
    )

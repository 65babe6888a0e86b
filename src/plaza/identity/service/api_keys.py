"""API keys: `plz_<prefix>_<secret>`, made by people for their programs.

A key that was looked up is remembered for a minute, so that requests read nothing. A revocation, and every change of its owner's
standing, reaches each process by notification within a second; the minute is for what no notification tells.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.composition import Context
from plaza.core.db import Cursors, Database, Page, PageRequest, is_lost_server, is_overload
from plaza.core.errors import InvalidCursor, Unauthenticated, ValidationFailed
from plaza.core.http import scopes_of
from plaza.core.ids import uuid7
from plaza.core.origin import network_of, whence
from plaza.core.ratelimit import RateLimits
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import ApiKeyNotFound, ScopeUnknown, TooManyApiKeys, UserNotFound
from plaza.identity.models import ApiKey, UserStatus
from plaza.identity.repository import ApiKeyRepository, UserRepository
from plaza.identity.schemas import ApiKeyView, IdentitySettings, MadeApiKey, NewApiKey, ScopeView
from plaza.identity.service.contacts import cleaned_line
from plaza.identity.service.factors import FactorService
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.watch import ApiKeyWatch, StaleWatch

log = structlog.get_logger(__name__)

SIGN = "plz_"
_SHAPE = re.compile(r"plz_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_KEPT = timedelta(days=30)
# Keys that are not remembered are looked up in the database, before anybody is known whose requests could be counted.
_LOOK_UPS = "600/minute"


class Known(NamedTuple):
    """What a look-up found, and when. `token_version` is its owner's: a newer one means that they are to be looked at again."""

    actor: Actor
    token_version: int
    expires_at: datetime | None
    read_at: datetime


class ApiKeyService(Service):
    REMEMBERED, REMEMBERED_FOR = 20_000, timedelta(minutes=1)
    NOTED_EVERY_S = 60.0

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        cursors: Cursors,
        limits: RateLimits,
        audit: AuditService,
        notices: SecurityNotices,
        watch: ApiKeyWatch,
        stale: StaleWatch,
        contexts: Sequence[Context],
        factors: FactorService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.cursors, self.limits = clock, settings, cursors, limits
        self.audit, self.notices, self.watch, self.stale = audit, notices, watch, stale
        self.factors = factors
        self.keys, self.users = ApiKeyRepository(db), UserRepository(db)
        self.scopes = frozenset[str]().union(*(scopes_of(each.name, each.controllers) for each in contexts))
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._used: dict[UUID, datetime] = {}

    @query()
    async def offered(self) -> ServiceResult[Page[ScopeView]]:
        """Every scope that a key may be made with."""
        return success(Page([ScopeView(name=name) for name in sorted(self.scopes)], None))

    @query(InvalidCursor)
    async def mine(self, actor: Actor, page: PageRequest) -> ServiceResult[Page[ApiKeyView]]:
        """The newest first."""
        name = f"identity.api_keys:{actor.user_id}"
        after = self.cursors.read(name, page.cursor, UUID) if page.cursor is not None else None
        found = await self.keys.page(UserId(actor.user_id), after=after, limit=page.limit + 1)
        items = found[: page.limit]
        more = self.cursors.write(name, items[-1].id) if len(found) > page.limit else None
        return success(Page(items, more))

    @command(ScopeUnknown, TooManyApiKeys, UserNotFound, ValidationFailed, FactorService.check_shown)
    async def create(self, actor: Actor, new: NewApiKey) -> ServiceResult[MadeApiKey]:
        user_id, now = UserId(actor.user_id), self.clock.now()
        if unknown := sorted(set(new.scopes) - self.scopes):
            return failure(ScopeUnknown(f"There is no scope {', '.join(unknown)}."))
        if new.expires_at is not None and new.expires_at <= now:
            return failure(ValidationFailed(errors={"expires_at": ["Lies in the past."]}))
        name = cleaned_line(new.name, "name")
        if await self.users.lock(user_id) is None:
            return failure(UserNotFound())
        (await self.factors.check_shown(actor)).unwrap()
        if await self.keys.count(user_id, now) >= self.settings.api_keys:
            return failure(TooManyApiKeys())
        prefix, secret = "".join(secrets.choice(_ALPHABET) for _ in range(12)), secrets.token_urlsafe(32)
        row = self.keys.add(
            ApiKey(
                id=uuid7(),
                user_id=user_id,
                name=name,
                prefix=prefix,
                hash=_hash(secret),
                scopes=sorted(set(new.scopes)),
                expires_at=new.expires_at,
                created_at=now,
            )
        )
        await self.db.session.flush()
        await self._record(actor, "api_key_created", row)
        (await self.notices.tell(user_id, Change.API_KEY_ADDED, detail=name)).unwrap()
        return success(
            MadeApiKey(
                id=row.id,
                name=name,
                prefix=prefix,
                scopes=row.scopes,
                expires_at=row.expires_at,
                last_used_at=None,
                created_at=now,
                key=f"{SIGN}{prefix}_{secret}",
            )
        )

    @command(ApiKeyNotFound)
    async def revoke(self, actor: Actor, key_id: UUID) -> ServiceResult[None]:
        row = await self.keys.lock(key_id)
        if row is None or row.user_id != actor.user_id or row.revoked_at is not None:
            return failure(ApiKeyNotFound())
        row.revoked_at = self.clock.now()
        await self.db.session.flush()
        await self.keys.tell_revoked(key_id)
        await self._record(actor, "api_key_revoked", row)
        (await self.notices.tell(row.user_id, Change.API_KEY_REMOVED, detail=row.name)).unwrap()

        async def tell() -> None:
            self.watch.revoke(key_id)

        self.db.after_commit(tell)
        return success(None)

    async def authenticate(self, token: str) -> Actor:
        """Whose program sent this key. Raises Unauthenticated, and RateLimited for too many that are not remembered."""
        shape = _SHAPE.fullmatch(token)
        if shape is None:
            raise Unauthenticated
        remembered, now = hashlib.sha256(token.encode()).digest(), self.clock.now()
        known = self._known.get(remembered)
        if (
            known is None
            or known.read_at + self.REMEMBERED_FOR <= now
            or await self.stale.is_stale(known.actor.user_id, known.token_version)
        ):
            self._known.pop(remembered, None)
            known = await self._look_up(*shape.groups())
            self._remember(remembered, known)
        key_id = known.actor.api_key_id
        is_over = known.expires_at is not None and known.expires_at <= now
        if key_id is None or is_over or await self.watch.is_revoked(key_id):
            self._known.pop(remembered, None)
            raise Unauthenticated("This API key has expired or was revoked.")
        self._used[key_id] = now
        return known.actor

    async def run(self) -> None:
        """Notes once in a while which keys were used, until cancelled."""
        while True:
            await asyncio.sleep(self.NOTED_EVERY_S)
            try:
                (await self.note_use()).unwrap()
            except Exception as error:
                if not (is_lost_server(error) or is_overload(error)):
                    raise
                log.warning("api_key_use_not_noted", error=repr(error))

    @command()
    async def note_use(self) -> ServiceResult[None]:
        used = dict(self._used)
        if used:
            await self.keys.note_use(used)

        async def forget() -> None:
            self._used = {key_id: at for key_id, at in self._used.items() if used.get(key_id) != at}

        self.db.after_commit(forget)
        return success(None)

    @command()
    async def purge(self) -> ServiceResult[int]:
        """Of those that have not worked for a month."""
        return success(await self.keys.purge(self.clock.now() - _KEPT))

    async def _look_up(self, prefix: str, secret: str) -> Known:
        """Raises Unauthenticated and RateLimited."""
        self.limits.count("api-key-look-up", network_of(whence().ip), _LOOK_UPS)
        found = await self.keys.found(prefix)
        if found is None or not hmac.compare_digest(found.hash, _hash(secret)) or found.revoked_at is not None:
            raise Unauthenticated("This API key is unknown or was revoked.")
        if found.deleted_at is not None or not found.status.may_log_in:
            raise Unauthenticated("The account of this API key cannot be used.")
        actor = Actor(
            user_id=found.user_id,
            scopes=frozenset(found.scopes),
            api_key_id=found.id,
            waitlisted_until=found.waitlisted_until if found.status is UserStatus.WAITLISTED else None,
        )
        return Known(actor, found.token_version, found.expires_at, self.clock.now())

    def _remember(self, key: bytes, known: Known) -> None:
        while len(self._known) >= self.REMEMBERED:
            self._known.popitem(last=False)
        self._known[key] = known

    async def _record(self, actor: Actor, what: str, row: ApiKey) -> None:
        shown = {"name": row.name, "prefix": row.prefix, "scopes": row.scopes, "expires_at": row.expires_at}
        entry = AuditEntry(
            action=f"identity.{what}",
            subject_type="api_key",
            subject_id=str(row.id),
            actor=actor,
            before=shown if row.revoked_at is not None else None,
            after=shown if row.revoked_at is None else None,
        )
        (await self.audit.record(entry)).unwrap()


def _hash(secret: str) -> bytes:
    """Enough for 256 random bits: nothing could be guessed from it."""
    return hashlib.sha256(secret.encode()).digest()

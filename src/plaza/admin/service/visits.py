"""Visits of staff to the site: each stands on an identity session of its own and ends with it, or sooner.

cookie (random) --SHA-256--> Redis: sealed tokens, when last seen --> identity: who, and what they may do just now
"""

from __future__ import annotations

import hashlib
import secrets

from plaza.admin.errors import NotStaff
from plaza.admin.gateways import VisitStore
from plaza.admin.schemas import AdminSettings, StoredVisit, Tokens, Visit
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.errors import MfaEnrolmentRequired, Unauthenticated, Unavailable
from plaza.core.http import Authenticator
from plaza.core.result import DomainError, Failure, ServiceResult, failure, success
from plaza.core.service import Service, flow
from plaza.identity import (
    LoginInput,
    LoginService,
    MfaService,
    MfaVerifyInput,
    Origin,
    SessionService,
    TokenPair,
    TokenStale,
)

# How often at most a visit is marked as seen.
_SEEN_EVERY_S = 60


class VisitService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        vault: Vault,
        settings: AdminSettings,
        visits: VisitStore,
        authenticator: Authenticator,
        logins: LoginService,
        factors: MfaService,
        sessions: SessionService,
    ) -> None:
        super().__init__(db)
        self.clock, self.vault, self.settings, self.visits = clock, vault, settings, visits
        self.authenticator, self.logins, self.factors, self.sessions = authenticator, logins, factors, sessions

    @flow(LoginService.login, NotStaff, MfaEnrolmentRequired, Unauthenticated, Unavailable)
    async def enter(self, given: LoginInput, origin: Origin) -> ServiceResult[str]:
        """What the cookie of a new visit holds."""
        return await self._begin((await self.logins.login(given, origin)).unwrap())

    @flow(MfaService.verify, NotStaff, MfaEnrolmentRequired, Unauthenticated, Unavailable)
    async def confirm(self, given: MfaVerifyInput, origin: Origin) -> ServiceResult[str]:
        """The second step of a login that answered MFA_REQUIRED."""
        return await self._begin((await self.factors.verify(given, origin)).unwrap())

    @flow(SessionService.refresh, Unavailable)
    async def visit(self, cookie: str, origin: Origin) -> ServiceResult[Visit | None]:
        """None where nobody is, or is any more: too long away, session ended, no staff now."""
        hash, now = _hash(cookie), self.clock.now().timestamp()
        stored = await self.visits.get(hash)
        if stored is None:
            return success(None)
        actor = await self._actor(hash, stored, origin) if now < stored.seen_at + self.settings.idle_s else None
        if actor is None or self._refusal(actor) is not None:
            await self.visits.remove(hash)
            return success(None)
        if now >= stored.seen_at + min(_SEEN_EVERY_S, self.settings.idle_s / 10):
            await self.visits.seen(hash, now)
        return success(Visit(actor, stored.tokens.name, self.vault.mac("admin-csrf", hash).hex()))

    @flow(SessionService.logout, Unavailable)
    async def leave(self, cookie: str) -> ServiceResult[None]:
        stored = await self.visits.get(_hash(cookie))
        if stored is not None:
            await self.visits.remove(_hash(cookie))
            (await self.sessions.logout(None, stored.tokens.refresh_token)).unwrap()
        return success(None)

    async def _begin(self, pair: TokenPair) -> ServiceResult[str]:
        actor = await self.authenticator.authenticate(pair.access_token)
        if (refused := self._refusal(actor)) is not None:
            (await self.sessions.logout(actor, None)).unwrap()
            return failure(refused)
        cookie = secrets.token_urlsafe(32)
        try:
            await self.visits.put(_hash(cookie), _tokens(pair), self.clock.now().timestamp())
        except Unavailable:
            (await self.sessions.logout(actor, None)).unwrap()
            raise
        return success(cookie)

    async def _actor(self, hash: str, stored: StoredVisit, origin: Origin) -> Actor | None:
        """With new tokens where the old ones have run out, or where roles have changed since."""
        try:
            return await self.authenticator.authenticate(stored.tokens.access_token)
        except (Unauthenticated, TokenStale):
            renewed = await self.sessions.refresh(stored.tokens.refresh_token, origin)
        if isinstance(renewed, Failure):
            if isinstance(renewed.error, Unauthenticated):
                return None
            raise renewed.error
        await self.visits.put(hash, _tokens(renewed.value), self.clock.now().timestamp())
        return await self.authenticator.authenticate(renewed.value.access_token)

    def _refusal(self, actor: Actor) -> DomainError | None:
        if not (actor.is_staff or actor.is_superuser) or actor.impersonator_id is not None:
            return NotStaff()
        if self.settings.require_mfa and "mfa" not in actor.methods:
            return MfaEnrolmentRequired()
        return None


def _tokens(pair: TokenPair) -> Tokens:
    assert pair.refresh_token is not None  # given to scripts by cookie only at the edge
    return Tokens(pair.access_token, pair.refresh_token, name=pair.user.email or pair.user.phone or "")


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()

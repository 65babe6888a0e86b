"""Who is calling: a person by an access token of ours or of an outside issuer, or a program by an API key.

Whoever has waited long enough, waits no more.
"""

from __future__ import annotations

from msgspec.structs import replace

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.service import Service
from plaza.domain_events.identity import UserId
from plaza.identity.service.api_keys import SIGN, ApiKeyService
from plaza.identity.service.outside_sessions import OutsideSessionService
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.waitlist import WaitlistService


class CallerService(Service):
    """Implements `core.http.Authenticator`."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        tokens: TokenService,
        keys: ApiKeyService,
        waitlist: WaitlistService,
        outside: OutsideSessionService,
    ) -> None:
        super().__init__(db)
        self.clock, self.tokens, self.keys, self.waitlist, self.outside = clock, tokens, keys, waitlist, outside

    async def authenticate(self, token: str) -> Actor:
        """Raises Unauthenticated, TokenStale, RateLimited, Unavailable."""
        if token.startswith(SIGN):
            actor = await self.keys.authenticate(token)
        elif (issuer := self.outside.issuer_of(token)) is not None:
            actor = await self.outside.authenticate(issuer, token)
        else:
            actor = await self.tokens.authenticate(token)
        until = actor.waitlisted_until
        if until is None or until > self.clock.now() or not await self.waitlist.admit(UserId(actor.user_id)):
            return actor
        return replace(actor, waitlisted_until=None)

"""Who is calling: a person by an access token, or a program by an API key."""

from __future__ import annotations

from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.service import Service
from plaza.identity.service.tokens import TokenService


class CallerService(Service):
    """Implements `core.http.Authenticator`."""

    def __init__(self, db: Database, tokens: TokenService) -> None:
        super().__init__(db)
        self.tokens = tokens

    async def authenticate(self, token: str) -> Actor:
        """Raises Unauthenticated and TokenStale."""
        return await self.tokens.authenticate(token)

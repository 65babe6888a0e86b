"""The tokens of one session: renewed shortly before they expire, and when the server says that they are stale; once for everybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from plaza.client.errors import SessionOver, Unauthenticated
from plaza.client.models import TokenPair

EARLY_S = 30
_WORTH_WAITING_S = 2


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What an app keeps to be logged in after its restart. `expires_at` is the access token's, in seconds since the epoch."""

    access_token: str
    refresh_token: str | None = None
    expires_at: float = float("inf")


OnTokens: TypeAlias = Callable[[Tokens | None], None]
Refresh: TypeAlias = Callable[[str], Awaitable[TokenPair]]


class Session:
    """`on_tokens` is told of every change, None for the end: each refresh token is good for one refresh."""

    def __init__(self, refresh: Refresh, tokens: Tokens | None, on_tokens: OnTokens | None) -> None:
        self.tokens = tokens
        self._refresh, self._on_tokens = refresh, on_tokens
        self._renewal: asyncio.Task[None] | None = None

    def opened(self, pair: TokenPair) -> None:
        # A session whose refresh token stays the same is not told it again.
        kept = self.tokens.refresh_token if self.tokens is not None else None
        refresh_token = pair.refresh_token or kept
        expires_at = time.time() + pair.expires_in
        self._set(Tokens(access_token=pair.access_token, refresh_token=refresh_token, expires_at=expires_at))

    def ended(self) -> None:
        self._set(None)

    async def access_token(self) -> str:
        """One that is good for a while yet, as far as the clock can tell. Raises SessionOver."""
        tokens = self._held()
        left_s = tokens.expires_at - time.time()
        if left_s < EARLY_S and tokens.refresh_token is not None:
            renewal = self._renewing()
            if left_s > 0:  # there is another one if it takes longer, or comes to nothing
                await asyncio.wait([renewal], timeout=_WORTH_WAITING_S)
            else:
                await asyncio.shield(renewal)
        return self._held().access_token

    async def renew(self, stale: str) -> None:
        """In the place of this access token. Whoever comes meanwhile waits for the same refresh, and whoever comes late finds it done.

        It goes on when its callers are cancelled: the answer holds the only token for the next one.
        """
        if self._held().access_token == stale:
            await asyncio.shield(self._renewing())

    def _renewing(self) -> asyncio.Task[None]:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew())
            self._renewal.add_done_callback(self._renewed)
        return self._renewal

    async def _renew(self) -> None:
        token = self._held().refresh_token
        try:
            if token is None:
                raise SessionOver("UNAUTHENTICATED", "The access token is no good, and there is none to renew it.")
            self.opened(await self._refresh(token))
        except Unauthenticated as error:
            self.ended()
            raise SessionOver(error.code, error.detail, status=error.status) from error

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._renewal = None
        if not task.cancelled():
            task.exception()  # told to those who wait, should there be any left

    def _held(self) -> Tokens:
        if self.tokens is None:
            raise SessionOver("UNAUTHENTICATED", "There is no session: log in.")
        return self.tokens

    def _set(self, tokens: Tokens | None) -> None:
        self.tokens = tokens
        if self._on_tokens is not None:
            self._on_tokens(tokens)

"""One person's way to one Plaza."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from plaza.client.chat import Conversations, Messages, Outgoing, Participants, People
from plaza.client.line import Line
from plaza.client.models import LoginInput, MfaVerifyInput, RefreshInput, TokenPair, UserView
from plaza.client.session import OnTokens, Tokens
from plaza.client.transport import Transport

_AUTH = "/api/v1/auth"


class Plaza:
    """With `tokens` from before, or an access token or API key that somebody else looks after, nobody has to log in.

    `on_tokens` hears of every change of the tokens, for keeping them; None is the end of the session. `http` may be a client of one's
    own, with proxies and certificates. `patience_s` is how long a request is tried again before its error is told.
    """

    def __init__(
        self,
        base_url: str,
        *,
        tokens: Tokens | None = None,
        access_token: str | None = None,
        on_tokens: OnTokens | None = None,
        http: httpx2.AsyncClient | None = None,
        patience_s: float = 30,
    ) -> None:
        if tokens is None and access_token is not None:
            tokens = Tokens(access_token=access_token)
        self._transport = Transport(base_url, tokens=tokens, on_tokens=on_tokens, http=http, patience_s=patience_s)
        self.conversations = Conversations(self._transport)
        self.participants = Participants(self._transport)
        self.messages = Messages(self._transport)
        self.outgoing = Outgoing(self._transport)
        self.people = People(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leaves the session open."""
        await self._transport.close()

    @property
    def tokens(self) -> Tokens | None:
        return self._transport.session.tokens

    async def log_in(self, identifier: str, password: str) -> UserView:
        """By e-mail address, phone number or username. Unauthenticated with the code MFA_REQUIRED asks for `verify_mfa`."""
        return await self._opened("login", LoginInput(identifier=identifier, password=password))

    async def verify_mfa(self, mfa_token: str, code: str) -> UserView:
        """`mfa_token` stands in the refusal's `members`; `code` is the one of the authenticator app."""
        return await self._opened("mfa/verify", MfaVerifyInput(mfa_token=mfa_token, code=code))

    async def log_out(self) -> None:
        """Ends the session, on the server first."""
        tokens = self.tokens
        if tokens is not None:
            body = RefreshInput(refresh_token=tokens.refresh_token)
            await self._transport.ask("POST", f"{_AUTH}/logout", type(None), body=body, keyed=False)
            self._transport.session.ended()

    async def me(self) -> UserView:
        return await self._transport.ask("GET", f"{_AUTH}/user", UserView)

    def line(
        self,
        *,
        after: Mapping[Any, int] | None = None,
        everything: bool = True,
        binary: bool = False,
        buffer: int = 1000,
        heartbeat_s: float | None = None,
    ) -> Line:
        """Live conversations: `async with plaza.line() as line`.

        `after` says where to resume, by conversation; `everything` follows all others from now on, those to come included. `binary`
        speaks msgpack, `buffer` bounds the events that wait for the reader, and `heartbeat_s` asks for a sign of life sooner than the
        server does.
        """
        return Line(
            self._transport,
            after=after,
            everything=everything,
            binary=binary,
            buffer=buffer,
            heartbeat_s=heartbeat_s,
        )

    async def _opened(self, path: str, body: Any) -> UserView:
        pair = await self._transport.ask(
            "POST", f"{_AUTH}/{path}", TokenPair, body=body, repeatable=False, anonymous=True
        )
        self._transport.session.opened(pair)
        return pair.user

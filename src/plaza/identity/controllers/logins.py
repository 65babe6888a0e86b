"""In and out."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.errors import Unauthenticated
from plaza.core.http import CREDENTIALS, NOT_IDEMPOTENT, Client, behind, limited
from plaza.identity.controllers.parts import COOKIE, PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import (
    LoginInput,
    RefreshInput,
    Ticket,
    TokenPair,
)
from plaza.identity.service import (
    LoginService,
    PasswordHasher,
    SessionService,
    TicketService,
)


class LoginController(TokenController):
    path = PREFIX
    tags = ("login",)
    logins: LoginService
    sessions: SessionService
    tickets: TicketService

    @post(
        "/login",
        status_code=200,
        opt={**TOKENS, **behind(PasswordHasher), **limited("login", "10/minute", by="ip", credential=True)},
    )
    async def login(
        self,
        data: JSONBody[LoginInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """As the person who is signed in already, it takes the place of their session: what needs a recent login is open again."""
        pair = (await self.logins.login(data, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

    @post("/token/refresh", status_code=200, opt={**TOKENS, **limited("token", "10/minute", by="ip", credential=True)})
    async def refresh(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[RefreshInput],
        client: NamedDependency[Client],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """Takes the refresh token from the body, else from the cookie; a token that came by cookie goes back by cookie only."""
        token = data.refresh_token or request.cookies.get(COOKIE)
        if token is None:
            raise Unauthenticated("There is no refresh token.")
        pair = (await self.sessions.refresh(token, origin_of(client))).unwrap()
        return self.tokens(pair, by_cookie=cookie or data.refresh_token is None)

    @post("/logout", status_code=204, opt=TOKENS)
    async def logout(
        self, request: Request[Any, Any, Any], data: JSONBody[RefreshInput], caller: NamedDependency[Actor | None]
    ) -> Response[None]:
        """Ends the session of the access token, of the refresh token, or of the cookie; for those on the waitlist, too."""
        token = data.refresh_token or request.cookies.get(COOKIE)
        (await self.sessions.logout(caller, token)).unwrap()
        return self.without_cookie()

    @post("/logout-all", status_code=204, opt={**CREDENTIALS, **NOT_IDEMPOTENT})
    async def logout_all(self, actor: NamedDependency[Actor]) -> Response[None]:
        (await self.sessions.logout_all(actor)).unwrap()
        return self.without_cookie()

    @post("/ws-ticket", status_code=200, opt={**CREDENTIALS, **NOT_IDEMPOTENT})
    async def ticket(self, actor: NamedDependency[Actor]) -> Ticket:
        """Opens one socket: `/ws?ticket=...`."""
        return (await self.tickets.issue(actor)).unwrap()

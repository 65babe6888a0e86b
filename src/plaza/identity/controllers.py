"""`/api/v1/auth` and the key set. Decode, one service call, encode; the refresh cookie is the only thing decided here."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec.structs import replace

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.errors import Unauthenticated
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, Client, limited
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity.schemas import (
    Card,
    EmailInput,
    IdentitySettings,
    KeySet,
    LoginInput,
    LookupInput,
    Origin,
    ProfilePatch,
    ProfileView,
    RefreshInput,
    RegistrationInput,
    SessionPatch,
    SessionView,
    Ticket,
    TokenPair,
    UserPatch,
    UserView,
    VerificationSent,
    VerifyEmailInput,
)
from plaza.identity.service import (
    KeyService,
    LoginService,
    ProfileService,
    RegistrationService,
    SessionService,
    TicketService,
)

PREFIX = "/api/v1/auth"
COOKIE = "plaza_refresh"

_TOKENS = {**ANONYMOUS, **NOT_IDEMPOTENT}


class TokenController(Controller):
    """What those who can answer with a token pair have in common. With `cookie=true` the refresh token never meets a script."""

    plaza: PlazaSettings
    settings: IdentitySettings

    def tokens(self, pair: TokenPair, *, by_cookie: bool) -> Response[TokenPair]:
        headers = {"Cache-Control": "no-store"}
        if not by_cookie:
            return Response(pair, headers=headers)
        cookie = Cookie(
            COOKIE,
            value=pair.refresh_token,
            path=PREFIX,
            httponly=True,
            samesite="strict",
            secure=self.plaza.base_url.startswith("https://"),
            max_age=self.settings.refresh_token_s,
        )
        return Response(replace(pair, refresh_token=None), headers=headers, cookies=[cookie])


class RegistrationController(TokenController):
    path = PREFIX
    tags = ("registration",)
    registrations: RegistrationService

    @post(
        "/registration",
        status_code=202,
        opt={**ANONYMOUS, **limited("registration", "30/minute", by="ip", credential=True)},
    )
    async def register(self, data: JSONBody[RegistrationInput]) -> VerificationSent:
        """Mails a code. The answer is the same for every address."""
        return (await self.registrations.register(data)).unwrap()

    @post(
        "/resend-email",
        status_code=202,
        opt={**ANONYMOUS, **limited("resend-email", "30/minute", by="ip", credential=True)},
    )
    async def resend(self, data: JSONBody[EmailInput]) -> VerificationSent:
        """Mails a new code where one is awaited. The answer is the same for every address."""
        return (await self.registrations.resend(data)).unwrap()

    @post(
        "/verify-email",
        status_code=200,
        opt={**_TOKENS, **limited("verify-email", "10/minute", by="ip", credential=True)},
    )
    async def verify(
        self, data: JSONBody[VerifyEmailInput], client: NamedDependency[Client], cookie: FromQuery[bool] = False
    ) -> Response[TokenPair]:
        pair = (await self.registrations.verify(data, origin_of(client))).unwrap()
        return self.tokens(pair, by_cookie=cookie)


class LoginController(TokenController):
    path = PREFIX
    tags = ("login",)
    logins: LoginService
    sessions: SessionService
    tickets: TicketService

    @post("/login", status_code=200, opt={**_TOKENS, **limited("login", "10/minute", by="ip", credential=True)})
    async def login(
        self, data: JSONBody[LoginInput], client: NamedDependency[Client], cookie: FromQuery[bool] = False
    ) -> Response[TokenPair]:
        pair = (await self.logins.login(data, origin_of(client))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

    @post("/token/refresh", status_code=200, opt={**_TOKENS, **limited("token", "10/minute", by="ip", credential=True)})
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

    @post("/logout", status_code=204, opt=_TOKENS)
    async def logout(
        self, request: Request[Any, Any, Any], data: JSONBody[RefreshInput], caller: NamedDependency[Actor | None]
    ) -> Response[None]:
        """Ends the session of the access token, of the refresh token, or of the cookie."""
        token = data.refresh_token or request.cookies.get(COOKIE)
        (await self.sessions.logout(caller, token)).unwrap()
        return self._without_cookie()

    @post("/logout-all", status_code=204, opt=NOT_IDEMPOTENT)
    async def logout_all(self, actor: NamedDependency[Actor]) -> Response[None]:
        (await self.sessions.logout_all(actor)).unwrap()
        return self._without_cookie()

    @post("/ws-ticket", status_code=200, opt=NOT_IDEMPOTENT)
    async def ticket(self, actor: NamedDependency[Actor]) -> Ticket:
        """Opens one socket: `/ws?ticket=...`."""
        return (await self.tickets.issue(actor)).unwrap()

    def _without_cookie(self) -> Response[None]:
        response = Response(None, status_code=204)
        response.delete_cookie(COOKIE, path=PREFIX)
        return response


class SessionController(Controller):
    path = f"{PREFIX}/sessions"
    tags = ("sessions",)
    sessions: SessionService

    @get("/")
    async def live(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[SessionView]:
        return (await self.sessions.live(actor, page)).unwrap()

    @patch("/{session_id:uuid}")
    async def rename(
        self, actor: NamedDependency[Actor], session_id: FromPath[UUID], data: JSONBody[SessionPatch]
    ) -> SessionView:
        return (await self.sessions.rename(actor, SessionId(session_id), data.name)).unwrap()

    @delete("/{session_id:uuid}")
    async def end(self, actor: NamedDependency[Actor], session_id: FromPath[UUID]) -> None:
        (await self.sessions.end(actor, SessionId(session_id))).unwrap()


class UserController(Controller):
    path = PREFIX
    tags = ("users",)
    profiles: ProfileService

    @get("/user")
    async def me(self, actor: NamedDependency[Actor]) -> UserView:
        return (await self.profiles.me(actor)).unwrap()

    @patch("/user")
    async def change_me(self, actor: NamedDependency[Actor], data: JSONBody[UserPatch]) -> UserView:
        return (await self.profiles.change_user(actor, data)).unwrap()

    @get("/profile")
    async def profile(self, actor: NamedDependency[Actor]) -> ProfileView:
        return (await self.profiles.mine(actor)).unwrap()

    @patch("/profile")
    async def change_profile(self, actor: NamedDependency[Actor], data: JSONBody[ProfilePatch]) -> ProfileView:
        return (await self.profiles.change_profile(actor, data)).unwrap()

    @get("/users/{user_id:uuid}")
    async def card(self, actor: NamedDependency[Actor], user_id: FromPath[UUID]) -> Card:
        return (await self.profiles.card(actor, UserId(user_id))).unwrap()

    @post("/users/lookup", status_code=200, opt={**NOT_IDEMPOTENT, **limited("lookup", "30/hour")})
    async def lookup(self, actor: NamedDependency[Actor], data: JSONBody[LookupInput]) -> Card:
        """By exact match, of people who want to be found."""
        return (await self.profiles.lookup(actor, data)).unwrap()


class KeyController(Controller):
    tags = ("keys",)
    keys: KeyService

    @get("/.well-known/jwks.json", opt=ANONYMOUS)
    async def published(self) -> Response[KeySet]:
        """What access tokens are verified with. A new key may appear at any time: fetch again when a key id is unknown."""
        keys = (await self.keys.published()).unwrap()
        return Response(keys, headers={"Cache-Control": "public, max-age=300"})


def origin_of(client: Client) -> Origin:
    return Origin(ip=client.ip, user_agent=client.user_agent)

"""Logging in at an outside provider, and the accounts that are linked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from plaza.core.actor import Actor
from plaza.core.db import Page
from plaza.core.http import ANONYMOUS, CREDENTIALS, NOT_IDEMPOTENT, STEP_UP, Client, documented, limited
from plaza.core.settings import PlazaSettings
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import (
    AppleInput,
    AuthorizationUrl,
    AuthorizeInput,
    Exchange,
    ExchangeInput,
    GoogleInput,
    Journey,
    LinkAccountInput,
    LinkedAccountView,
    NativeLogin,
    ProviderView,
    Redirect,
    TokenPair,
)
from plaza.identity.service import LinkedAccountService, OAuthService

# Lax: the browser comes back from elsewhere, by GET.
BROWSER = "plaza_oauth"
_BROWSER_S = 900

# Codes and states stand in these addresses: they are nobody's to keep.
_UNSEEN = {"Cache-Control": "no-store"}
_WAY = {**ANONYMOUS, **NOT_IDEMPOTENT, **limited("oauth", "30/minute", by="ip", credential=True)}
_LOGIN = {**TOKENS, **limited("oauth-login", "10/minute", by="ip", credential=True)}
_Text = Annotated[str | None, QueryParameter(max_length=4096)]


class OAuthController(TokenController):
    path = PREFIX
    tags = ("login",)
    oauth: OAuthService

    @get("/oauth/providers", opt=ANONYMOUS)
    async def offered(self) -> Page[ProviderView]:
        """Which outside accounts can be logged in with here."""
        return (await self.oauth.offered()).unwrap()

    @get(
        "/oauth/{provider:str}/authorize",
        opt=_WAY,
        responses={302: documented(None, "To the provider")},
    )
    async def authorize(
        self,
        request: Request[Any, Any, Any],
        provider: FromPath[str],
        redirect_to: Annotated[str | None, QueryParameter(max_length=2000)] = None,
        next: Annotated[str | None, QueryParameter(max_length=2000)] = None,
        code_challenge: Annotated[str | None, QueryParameter(pattern="^[A-Za-z0-9_-]{43}$")] = None,
        reauthenticate: FromQuery[bool] = False,
    ) -> Response[AuthorizationUrl | None]:
        """Sends the browser to the provider; who asks for JSON is told the address instead."""
        given = AuthorizeInput(
            redirect_to=redirect_to, next=next, code_challenge=code_challenge, reauthenticate=reauthenticate
        )
        is_cross_site = request.headers.get("sec-fetch-site") == "cross-site"
        browser = request.cookies.get(BROWSER)
        found = (await self.oauth.begin(provider, given, browser=browser, is_cross_site=is_cross_site)).unwrap()
        wants_json = "application/json" in request.headers.get("accept", "")
        return _departing(self.plaza, found, 200 if wants_json else 302)

    @get("/oauth/{provider:str}/callback", status_code=303, opt=_WAY)
    async def callback(
        self,
        request: Request[Any, Any, Any],
        provider: FromPath[str],
        given_state: Annotated[str | None, QueryParameter(name="state", max_length=4096)] = None,
        code: _Text = None,
        iss: _Text = None,
        error: _Text = None,
        name: _Text = None,
    ) -> Response[None]:
        """Where providers send the browser back to; it goes on to the address that the login was begun with."""
        journey = Journey(state=given_state, code=code, iss=iss, error=error, name=name)
        url = (await self.oauth.come_back(provider, journey, request.cookies.get(BROWSER))).unwrap()
        return Response(None, status_code=303, headers={**_UNSEEN, "Location": url})

    @post("/oauth/{provider:str}/callback", status_code=303, opt=_WAY, include_in_schema=False)
    async def form_callback(self, request: Request[Any, Any, Any], provider: FromPath[str]) -> Response[None]:
        """Apple answers by a form that its page posts. No cookie of ours comes along with that, but with the GET that follows."""
        journey = _posted(await request.form())
        given = {name: value for name, value in msgspec.structs.asdict(journey).items() if value is not None}
        url = f"{self.plaza.base_url}{request.scope['path'].rstrip('/')}?{urlencode(given)}"
        return Response(None, status_code=303, headers={**_UNSEEN, "Location": url})

    @post("/oauth/exchange", status_code=200, opt=_LOGIN)
    async def exchange(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[ExchangeInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """By the browser that began the login, or by whoever has the verifier of its challenge."""
        given = Exchange(code=data.code, verifier=data.code_verifier, browser=request.cookies.get(BROWSER))
        pair = (await self.oauth.exchange(given, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

    @post("/google", status_code=200, opt=_LOGIN)
    async def google(
        self,
        data: JSONBody[GoogleInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """By the id token that Google gave to an app."""
        given = NativeLogin(provider="google", id_token=data.id_token, nonce=data.nonce)
        pair = (await self.oauth.native(given, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

    @post("/apple", status_code=200, opt=_LOGIN)
    async def apple(
        self,
        data: JSONBody[AppleInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """By the id token that Apple gave to an app."""
        given = NativeLogin(provider="apple", id_token=data.id_token, nonce=data.nonce, name=data.name)
        pair = (await self.oauth.native(given, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)


class LinkedAccountController(Controller):
    path = PREFIX
    tags = ("linked accounts",)
    plaza: PlazaSettings
    oauth: OAuthService
    accounts: LinkedAccountService

    @post(
        "/oauth/{provider:str}/link", status_code=200, opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("link", "20/minute")}
    )
    async def link(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        provider: FromPath[str],
        data: JSONBody[LinkAccountInput],
    ) -> Response[AuthorizationUrl | None]:
        """Where to send the browser, so that an account at the provider is linked to the own one."""
        given = AuthorizeInput(redirect_to=data.redirect_to, next=data.next)
        found = (await self.oauth.begin(provider, given, browser=request.cookies.get(BROWSER), actor=actor)).unwrap()
        return _departing(self.plaza, found, 200)

    @get("/linked-accounts", opt=CREDENTIALS)
    async def mine(self, actor: NamedDependency[Actor]) -> Page[LinkedAccountView]:
        """All of them on one page."""
        return (await self.accounts.mine(actor)).unwrap()

    @delete("/linked-accounts/{account_id:uuid}", opt=STEP_UP)
    async def unlink(
        self, actor: NamedDependency[Actor], account_id: FromPath[UUID], end_other_sessions: FromQuery[bool] = False
    ) -> None:
        """Not the last way to log in."""
        (await self.accounts.remove(actor, account_id, end_other_sessions=end_other_sessions)).unwrap()


def _departing(plaza: PlazaSettings, found: Redirect, status: int) -> Response[AuthorizationUrl | None]:
    cookie = Cookie(
        BROWSER,
        value=found.browser,
        path=f"{PREFIX}/oauth",
        httponly=True,
        samesite="lax",
        secure=plaza.base_url.startswith("https://"),
        max_age=_BROWSER_S,
    )
    if status == 200:
        return Response(AuthorizationUrl(url=found.url), status_code=200, headers=_UNSEEN, cookies=[cookie])
    return Response(None, status_code=status, headers={**_UNSEEN, "Location": found.url}, cookies=[cookie])


def _posted(form: Mapping[str, Any]) -> Journey:
    fields = {name: str(form[name])[:4096] for name in ("state", "code", "iss", "error") if name in form}
    return Journey(**fields, name=_name(str(form.get("user", ""))))


class _Name(msgspec.Struct):
    firstName: str = ""  # noqa: N815 - Apple's spelling
    lastName: str = ""  # noqa: N815 - Apple's spelling


class _Person(msgspec.Struct):
    name: _Name


def _name(user: str) -> str | None:
    """What Apple tells of a person, once, in a field of JSON."""
    try:
        name = msgspec.json.decode(user, type=_Person).name
    except msgspec.DecodeError:
        return None
    return f"{name.firstName} {name.lastName}".strip()[:100] or None

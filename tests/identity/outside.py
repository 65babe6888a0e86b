"""Plaza with outside providers, and people in browsers who log in by them."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from joserfc.jwk import ECKey
from sqlalchemy import text

from plaza.domain_events.identity import UserId
from plaza.identity.service import UserService
from tests.identity.builders import PASSWORD
from tests.identity.provider import CLIENT_ID, CLIENT_SECRET, NATIVE_ID, Provider, query_of, serving
from tests.support.callers import Callers, callers
from tests.support.stage import Stage
from tests.support.tls import TLS
from tests.support.waiting import PATIENCE_S

T = TypeVar("T")

HOME = "http://plaza.test"
APP = "myapp://signed-in"
AUTH = "/api/v1/auth"
APPLE_KEY = ECKey.generate_key("P-256", private=True)


class World:
    """`provider` stands for Google, Apple, GitHub and `oidc:acme` at once."""

    def __init__(self, stage: Stage, provider: Provider, api: Callers) -> None:
        self.stage, self.provider, self.api = stage, provider, api

    def __getitem__(self, part: type[T]) -> T:
        return self.api.runtime.parts[part]

    def browser(self, ip: str = "203.0.113.1", token: str | None = None) -> Browser:
        return Browser(self, ip, token)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.stage.runtime.db.engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return list(result.mappings()) if result.returns_rows else []

    async def is_untouched(self) -> bool:
        """Nobody was let in and nothing was made."""
        counted = "select (select count(*) from identity_user) + (select count(*) from identity_session) + "
        counted += "(select count(*) from identity_linked_account) as n"
        return bool((await self.rows(counted))[0]["n"] == 0)


class Browser:
    """Keeps cookies as browsers do; `token` is the access token of whoever is signed in on its page."""

    def __init__(self, world: World, ip: str, token: str | None) -> None:
        self.world = world
        self.http = world.api.at(ip)
        self.http.base_url = httpx.URL(HOME)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def set_out(self, provider: str = "google", **parameters: Any) -> httpx.Response:
        return await self.http.get(f"{AUTH}/oauth/{provider}/authorize", params=parameters)

    async def link(self, provider: str = "google", **given: str) -> httpx.Response:
        return await self.http.post(f"{AUTH}/oauth/{provider}/link", json=given, headers=self.headers)

    async def visit(self, url: str) -> str:
        """The provider, where everything is agreed to at once: the address that it sends the browser back to."""
        async with httpx.AsyncClient(timeout=PATIENCE_S, verify=TLS) as outside:
            return str((await outside.get(url)).headers["location"])

    async def come_back(self, url: str) -> httpx.Response:
        return await self.http.get(url)

    async def round_trip(self, provider: str = "google", **parameters: Any) -> dict[str, str]:
        """From our page to the provider and back: the parameters of the address where it ends."""
        left = await self.set_out(provider, **parameters)
        assert left.status_code == 302, left.text
        arrived = await self.come_back(await self.visit(left.headers["location"]))
        assert arrived.status_code == 303, arrived.text
        return query_of(arrived.headers["location"])

    async def way_back(self, provider: str = "google", **parameters: Any) -> str:
        """The address that the provider sends the browser to."""
        left = await self.set_out(provider, **parameters)
        return await self.visit(left.headers["location"])

    async def ends(self, url: str) -> dict[str, str]:
        """How a way back ends: on the own page."""
        arrived = await self.come_back(url)
        assert arrived.status_code == 303, arrived.text
        assert arrived.headers["location"].startswith(f"{HOME}/account?")
        return query_of(arrived.headers["location"])

    async def exchange(self, code: str, **given: str) -> httpx.Response:
        return await self.http.post(f"{AUTH}/oauth/exchange", json={"code": code, **given}, headers=self.headers)

    async def log_in(self, provider: str = "google", **parameters: Any) -> httpx.Response:
        back = await self.round_trip(provider, **parameters)
        return await self.exchange(back.get("code", "none"))

    async def linked(self) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{AUTH}/linked-accounts", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def unlink(self, id: str) -> httpx.Response:
        return await self.http.delete(f"{AUTH}/linked-accounts/{id}", headers=self.headers)

    async def sign_in_with_password(self, email: str = "ada@example.com") -> UserId:
        """As a person who is made for it."""
        made = (await self.world.stage[UserService].create(email, PASSWORD, display_name="Ada")).unwrap()
        given = {"identifier": email, "password": PASSWORD}
        self.sign_in(await self.http.post(f"{AUTH}/login", json=given))
        return made.id

    def sign_in(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}


def pkce() -> tuple[str, str]:
    """(verifier, challenge) of an app of ours."""
    verifier = secrets.token_urlsafe(40)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def variables(provider: Provider, **oidc: Any) -> dict[str, str]:
    acme = {"name": "acme", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **oidc}
    return {
        "PLAZA_PUBLIC_URL": HOME,
        "PLAZA_IDENTITY_OAUTH_REDIRECT_URLS": f"{APP},https://app.example/cb?kept=1",
        "PLAZA_IDENTITY_OAUTH_TIMEOUT_S": "60",
        "PLAZA_IDENTITY_OAUTH_GOOGLE_CLIENT_ID": CLIENT_ID,
        "PLAZA_IDENTITY_OAUTH_GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
        "PLAZA_IDENTITY_OAUTH_GOOGLE_NATIVE_CLIENT_IDS": NATIVE_ID,
        "PLAZA_IDENTITY_OAUTH_GOOGLE_ISSUER": provider.issuer,
        "PLAZA_IDENTITY_OAUTH_APPLE_CLIENT_ID": "plaza.services",
        "PLAZA_IDENTITY_OAUTH_APPLE_TEAM_ID": "TEAM123456",
        "PLAZA_IDENTITY_OAUTH_APPLE_KEY_ID": "KEY1234567",
        "PLAZA_IDENTITY_OAUTH_APPLE_PRIVATE_KEY": APPLE_KEY.as_pem(private=True).decode().replace("\n", "\\n"),
        "PLAZA_IDENTITY_OAUTH_APPLE_NATIVE_CLIENT_IDS": NATIVE_ID,
        "PLAZA_IDENTITY_OAUTH_APPLE_ISSUER": provider.issuer,
        "PLAZA_IDENTITY_OAUTH_GITHUB_CLIENT_ID": CLIENT_ID,
        "PLAZA_IDENTITY_OAUTH_GITHUB_CLIENT_SECRET": CLIENT_SECRET,
        "PLAZA_IDENTITY_OAUTH_GITHUB_URL": provider.issuer,
        "PLAZA_IDENTITY_OAUTH_GITHUB_API_URL": provider.issuer,
        "PLAZA_IDENTITY_OAUTH_OIDC": json.dumps([acme]),
    }


@asynccontextmanager
async def world_of(stage: Stage, **further: str) -> AsyncIterator[World]:
    async with serving(stage.clock) as provider, callers(stage, **{**variables(provider), **further}) as api:
        yield World(stage, provider, api)

"""Passkeys: making them, logging in with them, keeping them."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.db import Page, PageRequest
from plaza.core.http import ANONYMOUS, CREDENTIALS, NOT_IDEMPOTENT, STEP_UP, Client, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import (
    PasskeyInput,
    PasskeyLogin,
    PasskeyOptions,
    PasskeyPatch,
    PasskeyView,
    TokenPair,
)
from plaza.identity.service import PasskeyService


class PasskeyLoginController(TokenController):
    path = f"{PREFIX}/passkeys"
    tags = ("login",)
    passkeys: PasskeyService

    @post(
        "/authentication-options",
        status_code=200,
        opt={**ANONYMOUS, **NOT_IDEMPOTENT, **limited("passkey-options", "30/minute", by="ip", credential=True)},
    )
    async def options(self) -> PasskeyOptions:
        """The same for everybody."""
        return (await self.passkeys.authentication_options()).unwrap()

    @post(
        "/authenticate",
        status_code=200,
        opt={**TOKENS, **limited("passkey", "10/minute", by="ip", credential=True)},
    )
    async def authenticate(
        self,
        data: JSONBody[PasskeyLogin],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """Of two factors by itself: no code is asked for."""
        pair = (await self.passkeys.authenticate(data, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)


class PasskeyController(Controller):
    path = f"{PREFIX}/passkeys"
    tags = ("passkeys",)
    passkeys: PasskeyService

    @post(
        "/registration-options",
        status_code=200,
        opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("passkey-registration", "20/minute", credential=True)},
    )
    async def options(self, actor: NamedDependency[Actor]) -> PasskeyOptions:
        return (await self.passkeys.registration_options(actor)).unwrap()

    @post("/", opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("passkey-registration", "20/minute", credential=True)})
    async def register(
        self, actor: NamedDependency[Actor], data: JSONBody[PasskeyInput], client: NamedDependency[Client]
    ) -> PasskeyView:
        return (await self.passkeys.register(actor, data, client.user_agent)).unwrap()

    @get("/", opt=CREDENTIALS)
    async def mine(self, actor: NamedDependency[Actor], page: NamedDependency[PageRequest]) -> Page[PasskeyView]:
        return (await self.passkeys.mine(actor, page)).unwrap()

    @patch("/{passkey_id:uuid}", opt=CREDENTIALS)
    async def rename(
        self, actor: NamedDependency[Actor], passkey_id: FromPath[UUID], data: JSONBody[PasskeyPatch]
    ) -> PasskeyView:
        return (await self.passkeys.rename(actor, passkey_id, data.name)).unwrap()

    @delete("/{passkey_id:uuid}", opt=STEP_UP)
    async def remove(
        self, actor: NamedDependency[Actor], passkey_id: FromPath[UUID], end_other_sessions: FromQuery[bool] = False
    ) -> None:
        (await self.passkeys.remove(actor, passkey_id, end_other_sessions=end_other_sessions)).unwrap()

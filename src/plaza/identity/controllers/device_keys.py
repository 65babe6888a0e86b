"""Device keys, which apps call biometric."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, CREDENTIALS, NOT_IDEMPOTENT, STEP_UP, Client, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import (
    DeviceChallenge,
    DeviceChallengeInput,
    DeviceKeyInput,
    DeviceKeyRemoval,
    DeviceKeyStatus,
    DeviceKeyView,
    DeviceLogin,
    TokenPair,
)
from plaza.identity.service import DeviceKeyService


class DeviceLoginController(TokenController):
    path = f"{PREFIX}/biometric"
    tags = ("login",)
    device_keys: DeviceKeyService

    @post(
        "/challenge",
        status_code=200,
        opt={**ANONYMOUS, **NOT_IDEMPOTENT, **limited("device-challenge", "30/minute", by="ip", credential=True)},
    )
    async def challenge(self, data: JSONBody[DeviceChallengeInput]) -> DeviceChallenge:
        """For a login or an enrolment; the same for everybody, whether there is such an account or not."""
        return (await self.device_keys.challenge(data)).unwrap()

    @post(
        "/authenticate",
        status_code=200,
        opt={**TOKENS, **limited("device-key", "10/minute", by="ip", credential=True)},
    )
    async def authenticate(
        self,
        data: JSONBody[DeviceLogin],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        pair = (await self.device_keys.authenticate(data, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)


class DeviceKeyController(Controller):
    path = f"{PREFIX}/biometric"
    tags = ("device keys",)
    device_keys: DeviceKeyService

    @post("/enroll", opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("device-enrolment", "10/minute", credential=True)})
    async def enroll(self, actor: NamedDependency[Actor], data: JSONBody[DeviceKeyInput]) -> DeviceKeyView:
        return (await self.device_keys.enroll(actor, data)).unwrap()

    @get("/status", opt=CREDENTIALS)
    async def status(self, actor: NamedDependency[Actor]) -> DeviceKeyStatus:
        return (await self.device_keys.status(actor)).unwrap()

    @post("/disable", status_code=204, opt=STEP_UP)
    async def disable(self, actor: NamedDependency[Actor], data: JSONBody[DeviceKeyRemoval]) -> None:
        (await self.device_keys.disable(actor, data)).unwrap()

    @delete("/disable", opt=STEP_UP)
    async def remove(
        self,
        actor: NamedDependency[Actor],
        key_id: FromQuery[UUID | None] = None,
        end_other_sessions: FromQuery[bool] = False,
    ) -> None:
        given = DeviceKeyRemoval(key_id=key_id, end_other_sessions=end_other_sessions)
        (await self.device_keys.disable(actor, given)).unwrap()

"""The second factor: setting it up, and showing it at login."""

from __future__ import annotations

from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import CREDENTIALS, NOT_IDEMPOTENT, STEP_UP, Client, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import MfaVerifyInput, MfaView, RecoveryCodes, TokenPair, TotpConfirmInput, TotpSetup
from plaza.identity.service import MfaService, RecoveryCodeService, TotpService

_NOT_KEPT = {"Cache-Control": "no-store"}


class MfaLoginController(TokenController):
    path = f"{PREFIX}/mfa"
    tags = ("login",)
    mfa: MfaService

    @post("/verify", status_code=200, opt={**TOKENS, **limited("mfa-verify", "10/minute", by="ip", credential=True)})
    async def verify(
        self,
        data: JSONBody[MfaVerifyInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """The second half of a login. After some wrong codes the `mfa_token` is gone: log in again."""
        pair = (await self.mfa.verify(data, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)


class MfaController(Controller):
    path = f"{PREFIX}/mfa"
    tags = ("second factor",)
    mfa: MfaService
    totp: TotpService
    recovery_codes: RecoveryCodeService

    @get("/", opt=CREDENTIALS)
    async def overview(self, actor: NamedDependency[Actor]) -> MfaView:
        return (await self.mfa.overview(actor)).unwrap()

    @post(
        "/totp",
        status_code=200,
        response_headers=_NOT_KEPT,
        opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("totp", "10/minute", credential=True)},
    )
    async def begin(self, actor: NamedDependency[Actor]) -> TotpSetup:
        """What an authenticator app needs. It counts once a code of it was confirmed."""
        return (await self.totp.begin(actor)).unwrap()

    @post(
        "/totp/confirm",
        status_code=200,
        response_headers=_NOT_KEPT,
        opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("totp-confirm", "10/minute", credential=True)},
    )
    async def confirm(self, actor: NamedDependency[Actor], data: JSONBody[TotpConfirmInput]) -> RecoveryCodes:
        """Turns the second factor on."""
        return (await self.totp.confirm(actor, data)).unwrap()

    @delete("/totp", opt=STEP_UP)
    async def remove(self, actor: NamedDependency[Actor], end_other_sessions: FromQuery[bool] = False) -> None:
        """Asks for a login with the second factor, or with a recovery code, within the last minutes."""
        (await self.totp.remove(actor, end_other_sessions=end_other_sessions)).unwrap()

    @post(
        "/recovery-codes",
        status_code=200,
        response_headers=_NOT_KEPT,
        opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("recovery-codes", "10/minute", credential=True)},
    )
    async def renew_recovery_codes(self, actor: NamedDependency[Actor]) -> RecoveryCodes:
        return (await self.recovery_codes.renew(actor)).unwrap()

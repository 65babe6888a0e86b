"""The own password."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, STEP_UP, Client, behind, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import ChangePasswordInput, EmailInput, ResetPasswordInput, TokenPair, VerificationSent
from plaza.identity.service import PasswordHasher, PasswordService


class PasswordController(TokenController):
    path = f"{PREFIX}/password"
    tags = ("passwords",)
    passwords: PasswordService

    @post(
        "/reset",
        status_code=202,
        opt={**ANONYMOUS, **limited("password-reset", "20 per 15 minute", by="ip", credential=True)},
    )
    async def ask_reset(self, data: JSONBody[EmailInput]) -> VerificationSent:
        """Mails a link where the address has an account. The answer is the same for every address."""
        return (await self.passwords.ask_reset(data)).unwrap()

    @post(
        "/reset/confirm",
        status_code=200,
        opt={
            **TOKENS,
            **behind(PasswordHasher),
            **limited("password-reset-confirm", "10/minute", by="ip", credential=True),
        },
    )
    async def reset(
        self, data: JSONBody[ResetPasswordInput], client: NamedDependency[Client], cookie: FromQuery[bool] = False
    ) -> Response[TokenPair]:
        """Sets a new password and ends every session. A second factor is asked for all the same."""
        pair = (await self.passwords.reset(data, origin_of(client))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

    @post(
        "/change",
        status_code=204,
        opt={
            **STEP_UP,
            **NOT_IDEMPOTENT,
            **limited("password-change", "10/minute", credential=True),
        },
    )
    async def change(self, actor: NamedDependency[Actor], data: JSONBody[ChangePasswordInput]) -> None:
        (await self.passwords.change(actor, data)).unwrap()

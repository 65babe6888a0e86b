"""Signing up, and proving an e-mail address. Codes that went to a phone are proved at `/phone`."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.http import ANONYMOUS, Client, behind, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import (
    EmailInput,
    RegistrationInput,
    TokenPair,
    VerificationSent,
    VerifyEmailInput,
)
from plaza.identity.service import (
    PasswordHasher,
    RegistrationService,
)


class RegistrationController(TokenController):
    path = PREFIX
    tags = ("registration",)
    registrations: RegistrationService

    @post(
        "/registration",
        status_code=202,
        opt={
            **ANONYMOUS,
            **behind(PasswordHasher),
            **limited("registration", "30/minute", by="ip", credential=True),
        },
    )
    async def register(self, data: JSONBody[RegistrationInput]) -> VerificationSent:
        """Mails or texts a code. The answer is the same for every address and number."""
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
        opt={**TOKENS, **limited("verify-email", "10/minute", by="ip", credential=True)},
    )
    async def verify(
        self, data: JSONBody[VerifyEmailInput], client: NamedDependency[Client], cookie: FromQuery[bool] = False
    ) -> Response[TokenPair]:
        pair = (await self.registrations.verify(data, origin_of(client))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

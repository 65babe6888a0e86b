"""In by a code that goes to a phone, and the own phone number."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, STEP_UP, Client, by_cookie, limited
from plaza.identity.controllers.parts import COOKIE, PREFIX, TokenController, origin_of
from plaza.identity.schemas import PhoneCodeInput, PhoneInput, TokenPair, VerificationSent
from plaza.identity.service import PhoneService

# A stranger's way in; who is signed in changes a credential.
_EITHER = {**ANONYMOUS, **STEP_UP}


class PhoneController(TokenController):
    path = f"{PREFIX}/phone"
    tags = ("phone",)
    phones: PhoneService

    @post(
        "/send-code", status_code=202, opt={**_EITHER, **limited("phone-send", "10/minute", by="ip", credential=True)}
    )
    async def send_code(self, data: JSONBody[PhoneInput], caller: NamedDependency[Actor | None]) -> VerificationSent:
        """Sends a code: without a token to sign up or log in, with one to make the number the own.

        The answer is the same for every number.
        """
        return (await self.phones.send_code(caller, data)).unwrap()

    @post(
        "/verify-code",
        status_code=200,
        opt={
            **_EITHER,
            **NOT_IDEMPOTENT,
            **by_cookie(COOKIE),
            **limited("phone-verify", "10/minute", by="ip", credential=True),
        },
    )
    async def verify(
        self,
        data: JSONBody[PhoneCodeInput],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """Without a token it signs up or logs in. With one the number becomes the own.

        Then `refresh_token` is null: the session goes on with the one that it has.
        """
        if caller is None:
            pair = (await self.phones.log_in(data, origin_of(client))).unwrap()
        else:
            pair = (await self.phones.change(caller, data)).unwrap()
        return self.tokens(pair, by_cookie=cookie)

"""Logging in by a mailed link."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, Client, limited
from plaza.identity.controllers.parts import PREFIX, TOKENS, TokenController, origin_of
from plaza.identity.schemas import MagicLinkConfirmation, MagicLinkInput, TokenPair, VerificationSent
from plaza.identity.service import MagicLinkService


class MagicLinkController(TokenController):
    path = f"{PREFIX}/magic-link"
    tags = ("login",)
    magic_links: MagicLinkService

    @post(
        "/",
        status_code=202,
        opt={**ANONYMOUS, **limited("magic-link", "20 per 15 minute", by="ip", credential=True)},
    )
    async def ask(self, data: JSONBody[MagicLinkInput]) -> VerificationSent:
        """Mails a link where the address has an account. The answer is the same for every address."""
        return (await self.magic_links.ask(data)).unwrap()

    @post(
        "/confirm",
        status_code=200,
        opt={**TOKENS, **limited("magic-link-confirm", "10/minute", by="ip", credential=True)},
    )
    async def confirm(
        self,
        data: JSONBody[MagicLinkConfirmation],
        client: NamedDependency[Client],
        caller: NamedDependency[Actor | None],
        cookie: FromQuery[bool] = False,
    ) -> Response[TokenPair]:
        """As the person who is signed in already, it takes the place of their session: what needs a recent login is open again."""
        pair = (await self.magic_links.confirm(data, origin_of(client, caller))).unwrap()
        return self.tokens(pair, by_cookie=cookie)

"""The own e-mail address."""

from __future__ import annotations

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from plaza.core.actor import Actor
from plaza.core.http import ANONYMOUS, NOT_IDEMPOTENT, STEP_UP, limited
from plaza.identity.controllers.parts import PREFIX
from plaza.identity.schemas import CodeInput, EmailInput, LinkInput, UserView, VerificationSent
from plaza.identity.service import EmailChangeService


class EmailController(Controller):
    path = f"{PREFIX}/email"
    tags = ("contacts",)
    email_changes: EmailChangeService

    @post("/change", status_code=202, opt={**STEP_UP, **limited("email-change", "10/hour", credential=True)})
    async def ask(self, actor: NamedDependency[Actor], data: JSONBody[EmailInput]) -> VerificationSent:
        """Mails a code to the new address. The answer is the same for every address."""
        return (await self.email_changes.ask(actor, data)).unwrap()

    @post(
        "/change/confirm",
        status_code=200,
        opt={**STEP_UP, **NOT_IDEMPOTENT, **limited("email-change-confirm", "10/minute", credential=True)},
    )
    async def confirm(self, actor: NamedDependency[Actor], data: JSONBody[CodeInput]) -> UserView:
        """The old address gets a link that takes the change back."""
        return (await self.email_changes.confirm(actor, data)).unwrap()

    @post(
        "/change/undo",
        status_code=204,
        opt={
            **ANONYMOUS,
            **NOT_IDEMPOTENT,
            **limited("email-change-undo", "10/minute", by="ip", credential=True),
        },
    )
    async def undo(self, data: JSONBody[LinkInput]) -> None:
        """The earlier address is back, every session ends, and a link to set a new password is mailed to it."""
        (await self.email_changes.undo(data)).unwrap()

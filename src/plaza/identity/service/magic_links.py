"""Logging in by a mailed link.

The page that the link opens sends its token by POST: what merely looks at links (scanners, previews) cannot use one up. A device that
made a challenge when it asked is the only one that can use the link, for only it has the verifier: a link that somebody forwards, or
reads in another's mailbox, opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.identity.errors import CodeInvalid
from plaza.identity.models import Purpose, VerificationToken
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import (
    Admission,
    IdentitySettings,
    MagicLinkConfirmation,
    MagicLinkInput,
    Origin,
    Proof,
    SendMagicLink,
    TokenPair,
    VerificationSent,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import normalized_email
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.messages import Messages
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.verification import REFUSALS, Refused, VerificationTokens


class MagicLinkService(Service):
    def __init__(
        self,
        db: Database,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        verification: VerificationTokens,
        pace: SendingPace,
        messages: Messages,
        gate: LoginGate,
        tokens: TokenService,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.settings, self.plaza, self.verification, self.pace = settings, plaza, verification, pace
        self.messages, self.gate, self.tokens, self.attempts = messages, gate, tokens, attempts
        self.users = UserRepository(db)

    @flow(ValidationFailed, RateLimited, Unavailable)
    async def ask(self, given: MagicLinkInput) -> ServiceResult[VerificationSent]:
        """The same for every address: whose it is, the job looks up."""
        email = normalized_email(given.email)
        await self.pace.count_magic_link(email)
        (await self._request(SendMagicLink(email=email, challenge=given.challenge))).unwrap()
        return success(VerificationSent())

    @flow(*REFUSALS, LoginGate.admit, TokenService.answer)
    @noted("otp")
    async def confirm(self, given: MagicLinkConfirmation, origin: Origin) -> ServiceResult[TokenPair]:
        outcome = (await self._confirm(given, origin)).unwrap()
        if isinstance(outcome, Refused):
            return failure(outcome.error())
        return await self.tokens.answer(outcome)

    # Job

    @command()
    async def send(self, request: SendMagicLink) -> ServiceResult[None]:
        user = await self.users.lock_by_contact(email=request.email)
        if user is not None and user.may_log_in and user.email_verified_at is not None:
            seconds = self.settings.magic_link_s
            issued = self.verification.issue(
                Purpose.MAGIC_LINK, request.email, user_id=user.id, seconds=seconds, challenge=request.challenge
            )
            data = {"url": f"{self.plaza.base_url}/#login={issued.link}", "minutes": str(seconds // 60)}
            await self.messages.mail("identity.magic_link", request.email, data, good_for_s=seconds)
        return success(None)

    # Parts of them

    @command()
    async def _request(self, job: SendMagicLink) -> ServiceResult[None]:
        self.db.enqueue(job)
        return success(None)

    @command(LoginGate.admit)
    async def _confirm(self, given: MagicLinkConfirmation, origin: Origin) -> ServiceResult[Admission | Refused]:
        def suits(token: VerificationToken) -> bool:
            return token.challenge is None or hmac.compare_digest(token.challenge, s256(given.verifier or ""))

        token = await self.verification.redeem_link(Purpose.MAGIC_LINK, given.token, suits=suits)
        if isinstance(token, Refused):
            return success(token)
        user = await self.users.lock(token.user_id) if token.user_id is not None else None
        if user is None or user.email != token.address:  # it was theirs when the link was sent
            return success(Refused(CodeInvalid.code))
        user.email_vouched_by = None
        await self.db.session.flush()  # `admit` reads the row anew
        proof = Proof(methods=("otp",), identifier=token.address)
        return success((await self.gate.admit(user.id, proof, origin)).unwrap())


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()

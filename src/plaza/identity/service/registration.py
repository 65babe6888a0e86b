"""Signing up: a code is sent to the address, and what was asked for takes effect with the code.

A request hashes, checks the input and writes one job, whatever address it names; whom the address belongs to is looked up in that job.
What happens there never shows in an answer:

    free address      a pending account, a token with the password, a message with its code
    pending address   one more token; of several registrations the one whose code is used wins
    taken address     a token that no code opens, a message that tells the owner

Codes that went to a phone are redeemed by `PhoneService`, like those of a login.
"""

from __future__ import annotations

from datetime import timedelta

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import UserId
from plaza.identity.errors import PasswordTooCommon, PasswordTooWeak, ProviderNotConfigured, TokenUsed
from plaza.identity.models import Purpose, UserStatus, VerificationToken
from plaza.identity.repository import UserRepository, VerificationRepository
from plaza.identity.schemas import (
    Admission,
    EmailInput,
    IdentitySettings,
    Origin,
    Proof,
    RegistrationInput,
    ResendCode,
    StartRegistration,
    TokenPair,
    VerificationSent,
    VerifyEmailInput,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import cleaned_line, normalized_email, normalized_phone
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.messages import Messages
from plaza.identity.service.newcomers import NAMELESS, Newcomers
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.passwords import PasswordHasher, canonical, check_password
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.verification import REFUSALS, REMEMBERED, Issued, Refused, VerificationTokens

_BATCH = 5_000


class RegistrationService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        vault: Vault,
        hasher: PasswordHasher,
        verification: VerificationTokens,
        newcomers: Newcomers,
        pace: SendingPace,
        messages: Messages,
        gate: LoginGate,
        tokens: TokenService,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.plaza, self.vault, self.hasher = clock, settings, plaza, vault, hasher
        self.verification, self.newcomers, self.pace, self.messages = verification, newcomers, pace, messages
        self.gate, self.tokens, self.attempts = gate, tokens, attempts
        self.users, self.verifications = UserRepository(db), VerificationRepository(db)

    @flow(ValidationFailed, PasswordTooWeak, PasswordTooCommon, ProviderNotConfigured, RateLimited)
    async def register(self, given: RegistrationInput) -> ServiceResult[VerificationSent]:
        if (given.email is None) == (given.phone is None):
            return failure(ValidationFailed("Give either an e-mail address or a phone number."))
        if given.phone is not None and not self.messages.can_text:
            return failure(ProviderNotConfigured("There is no way to send codes to phones here: register by e-mail."))
        email = normalized_email(given.email) if given.email is not None else None
        phone = normalized_phone(given.phone) if given.phone is not None else None
        name = cleaned_line(given.display_name, "display_name") if given.display_name is not None else None
        sealed = None
        if given.password is not None:
            password = canonical(given.password)
            check_password(password, words=self.settings.password_words, email=email, phone=phone, names=[name])
            sealed = self.vault.seal(await self.hasher.hash(password))
        request = StartRegistration(email=email, phone=phone, password_hash=sealed, display_name=name)
        (await self._request(request)).unwrap()
        return success(VerificationSent())

    @flow(ValidationFailed)
    async def resend(self, given: EmailInput) -> ServiceResult[VerificationSent]:
        (await self._request(ResendCode(email=normalized_email(given.email)))).unwrap()
        return success(VerificationSent())

    @flow(ValidationFailed, *REFUSALS, TokenService.answer)
    @noted("otp", by="email")
    async def verify(self, given: VerifyEmailInput, origin: Origin) -> ServiceResult[TokenPair]:
        by_code, by_link = given.email is not None and given.code is not None, given.token is not None
        if by_code == by_link:
            return failure(ValidationFailed("Give an e-mail address and a code, or the token of a link."))
        if given.token is not None:
            outcome = (await self._redeem_link(given.token, origin)).unwrap()
        else:
            outcome = (await self._redeem_code(normalized_email(given.email or ""), given.code or "", origin)).unwrap()
        if isinstance(outcome, Refused):
            return failure(outcome.error())
        return await self.tokens.answer(outcome)

    # Jobs

    @flow(Unavailable)
    async def start(self, request: StartRegistration) -> ServiceResult[None]:
        if request.email is not None and await self.pace.may_mail(request.email):
            (await self._start_by_email(request, request.email)).unwrap()
        if request.phone is not None and await self.pace.may_text_code(request.phone):
            (await self._start_by_phone(request, request.phone)).unwrap()
        return success(None)

    @flow(Unavailable)
    async def resend_code(self, request: ResendCode) -> ServiceResult[None]:
        if await self.pace.may_mail(request.email):
            (await self._resend(request)).unwrap()
        return success(None)

    @flow()
    async def purge(self) -> ServiceResult[None]:
        while (await self._purge()).unwrap() == _BATCH:
            pass
        return success(None)

    # Parts of them

    @command()
    async def _request(self, job: StartRegistration | ResendCode) -> ServiceResult[None]:
        self.db.enqueue(job)
        return success(None)

    @command()
    async def _start_by_email(self, request: StartRegistration, email: str) -> ServiceResult[None]:
        user = await self.newcomers.account_of(email=email, display_name=request.display_name or NAMELESS)
        issued = self._issue(Purpose.EMAIL_VERIFICATION, email, request, None if user.is_verified else user.id)
        if user.is_verified:
            await self.messages.mail("identity.address_taken", email, {"login_url": self.plaza.base_url})
        else:
            await self._mail_code(email, issued)
        return success(None)

    @command()
    async def _start_by_phone(self, request: StartRegistration, phone: str) -> ServiceResult[None]:
        user = await self.newcomers.account_of(phone=phone, display_name=request.display_name or NAMELESS)
        issued = self._issue(Purpose.PHONE_LOGIN, phone, request, None if user.is_verified else user.id)
        if user.is_verified:
            await self.messages.text("identity.phone_taken", phone)
        else:
            await self.messages.text_code(phone, issued.code)
        return success(None)

    @command()
    async def _resend(self, request: ResendCode) -> ServiceResult[None]:
        """Several registrations of one address cannot be told apart here: then nothing is taken over, lest it be a stranger's."""
        user = await self.users.lock_by_contact(email=request.email)
        if user is None or user.status is not UserStatus.PENDING:
            return success(None)
        earlier = await self.verifications.outstanding(request.email, Purpose.EMAIL_VERIFICATION)
        carried = {(token.password_hash, token.linked) for token in earlier}
        password_hash, linked = carried.pop() if len(carried) == 1 else (None, None)
        issued = self.verification.issue(
            Purpose.EMAIL_VERIFICATION,
            request.email,
            user_id=user.id,
            password_hash=password_hash,
            display_name=earlier[-1].display_name if earlier else None,
            linked=linked,
        )
        await self._mail_code(request.email, issued)
        return success(None)

    def _issue(self, purpose: Purpose, address: str, request: StartRegistration, user_id: UserId | None) -> Issued:
        return self.verification.issue(
            purpose,
            address,
            user_id=user_id,
            password_hash=self.vault.open(request.password_hash) if request.password_hash is not None else None,
            display_name=request.display_name,
            linked=request.linked,
        )

    async def _mail_code(self, email: str, issued: Issued) -> None:
        minutes = str(self.settings.code_s // 60)
        # In the fragment: it reaches neither a server's log nor a Referer header.
        url = f"{self.plaza.base_url}/#verify={issued.link}"
        data = {"code": issued.code, "minutes": minutes, "url": url}
        await self.messages.mail("identity.email_code", email, data, good_for_s=self.settings.code_s)

    @command(LoginGate.admit)
    async def _redeem_code(self, email: str, code: str, origin: Origin) -> ServiceResult[Admission | Refused]:
        token = await self.verification.redeem_code(Purpose.EMAIL_VERIFICATION, email, code)
        return await self._open(token, origin)

    @command(LoginGate.admit)
    async def _redeem_link(self, link: str, origin: Origin) -> ServiceResult[Admission | Refused]:
        token = await self.verification.redeem_link(Purpose.EMAIL_VERIFICATION, link)
        return await self._open(token, origin)

    async def _open(self, token: VerificationToken | Refused, origin: Origin) -> ServiceResult[Admission | Refused]:
        if isinstance(token, Refused):
            return success(token)
        user = await self.users.lock(token.user_id) if token.user_id is not None else None
        if user is None or user.status is not UserStatus.PENDING:
            return success(Refused(TokenUsed.code))
        await self.newcomers.open(user, token)
        await self.messages.mail("identity.welcome", token.address, {"url": self.plaza.base_url})
        return success(
            (await self.gate.admit(user.id, Proof(methods=("otp",), identifier=token.address), origin)).unwrap()
        )

    @command()
    async def _purge(self) -> ServiceResult[int]:
        now = self.clock.now()
        made_before = now - timedelta(days=self.settings.unverified_days)
        return success(await self.verifications.purge(now - REMEMBERED, made_before, _BATCH))

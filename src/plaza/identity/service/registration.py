"""Registration by e-mail: a code is mailed, and what was asked for takes effect with the code.

A request hashes, checks the input and writes one job, whatever address it names; whom the address belongs to is looked up in that job.
What happens there never shows in an answer:

    free address      a pending account, a token with the password, a mail with its code
    pending address   one more token; of several registrations the one whose code is used wins
    taken address     a token that no code opens, a mail that tells the owner
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import structlog

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unavailable, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.ratelimit import RateLimits
from plaza.core.result import DomainError, ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import UserId, UserRegistered
from plaza.identity.errors import (
    CodeExpired,
    CodeInvalid,
    PasswordTooCommon,
    PasswordTooWeak,
    ProviderNotConfigured,
    TokenUsed,
)
from plaza.identity.models import Purpose, User, UserStatus, VerificationToken
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
from plaza.identity.service.contacts import cleaned_line, normalized_email
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.passwords import PasswordHasher, canonical, check_password
from plaza.identity.service.tokens import TokenService
from plaza.notifications import EmailRecipient, NotificationService

log = structlog.get_logger(__name__)

NAMELESS = "Newcomer"
_PURPOSE = Purpose.EMAIL_VERIFICATION
# How long a code is remembered as used or expired; afterwards it is merely wrong.
_REMEMBERED = timedelta(days=1)
_BATCH = 5_000


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A verdict that is remembered (a wrong try is counted), so it cannot be a Failure, which would take that back."""

    code: str


class Accepted(msgspec.Struct, frozen=True, tag=True):
    admission: Admission


_REFUSALS: dict[str, type[DomainError]] = {error.code: error for error in (CodeInvalid, CodeExpired, TokenUsed)}


class RegistrationService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        vault: Vault,
        limits: RateLimits,
        hasher: PasswordHasher,
        gate: LoginGate,
        tokens: TokenService,
        notifications: NotificationService,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.plaza, self.vault, self.limits = clock, settings, plaza, vault, limits
        self.hasher, self.gate, self.tokens, self.notifications = hasher, gate, tokens, notifications
        self.users, self.verifications = UserRepository(db), VerificationRepository(db)

    @flow(ValidationFailed, PasswordTooWeak, PasswordTooCommon, ProviderNotConfigured, RateLimited)
    async def register(self, given: RegistrationInput) -> ServiceResult[VerificationSent]:
        if (given.email is None) == (given.phone is None):
            return failure(ValidationFailed("Give either an e-mail address or a phone number."))
        if given.email is None:
            return failure(ProviderNotConfigured("There is no way to send codes to phones here: register by e-mail."))
        email = normalized_email(given.email)
        name = cleaned_line(given.display_name, "display_name") if given.display_name is not None else None
        sealed = None
        if given.password is not None:
            password = canonical(given.password)
            check_password(password, email=email, names=[name])
            sealed = self.vault.seal(await self.hasher.hash(password))
        (await self._request(StartRegistration(email=email, password_hash=sealed, display_name=name))).unwrap()
        return success(VerificationSent())

    @flow(ValidationFailed)
    async def resend(self, given: EmailInput) -> ServiceResult[VerificationSent]:
        (await self._request(ResendCode(email=normalized_email(given.email)))).unwrap()
        return success(VerificationSent())

    @flow(ValidationFailed, CodeInvalid, CodeExpired, TokenUsed, TokenService.answer)
    async def verify(self, given: VerifyEmailInput, origin: Origin) -> ServiceResult[TokenPair]:
        by_code, by_link = given.email is not None and given.code is not None, given.token is not None
        if by_code == by_link:
            return failure(ValidationFailed("Give an e-mail address and a code, or the token of a link."))
        if given.token is not None:
            outcome = await self._redeem_link(_link_hash(given.token), origin)
        else:
            outcome = await self._redeem_code(normalized_email(given.email or ""), (given.code or "").strip(), origin)
        match outcome.unwrap():
            case Accepted(admission):
                return await self.tokens.answer(admission)
            case Refused(code):
                return failure(_REFUSALS[code]())

    # Jobs

    @flow(Unavailable)
    async def start(self, request: StartRegistration) -> ServiceResult[None]:
        if await self._may_mail(request.email):
            (await self._start(request)).unwrap()
        return success(None)

    @flow(Unavailable)
    async def resend_code(self, request: ResendCode) -> ServiceResult[None]:
        if await self._may_mail(request.email):
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

    async def _may_mail(self, email: str) -> bool:
        """A stranger cannot fill somebody's mailbox. Nobody is told: the request has long been answered. Raises Unavailable."""
        try:
            await self.limits.hit("code-mails", self.vault.mac("code-mails", email).hex(), self.settings.code_mails)
        except RateLimited:
            log.info("code_mail_dropped", reason="too many for one address")
            return False
        return True

    @command()
    async def _start(self, request: StartRegistration) -> ServiceResult[None]:
        user = await self._user_of(request.email, request.display_name or NAMELESS)
        if user.is_verified:
            self._token(request, user_id=None)
            await self._mail("identity.address_taken", request.email, {"login_url": self.plaza.base_url})
            return success(None)
        if user.status is UserStatus.DEACTIVATED:
            user.reopen()
            user.created_at = self.clock.now()
        code, link = self._token(request, user_id=user.id)
        await self._mail_code(request.email, code, link)
        return success(None)

    @command()
    async def _resend(self, request: ResendCode) -> ServiceResult[None]:
        """Several registrations of one address cannot be told apart here: then no password is taken over, lest it be a stranger's."""
        user = await self.users.lock_by_email(request.email)
        if user is None or user.status is not UserStatus.PENDING:
            return success(None)
        earlier = await self.verifications.outstanding(request.email, _PURPOSE)
        passwords = {token.password_hash for token in earlier}
        again = StartRegistration(
            email=request.email,
            password_hash=self.vault.seal(password)
            if len(passwords) == 1 and (password := passwords.pop()) is not None
            else None,
            display_name=earlier[-1].display_name if earlier else None,
        )
        code, link = self._token(again, user_id=user.id)
        await self._mail_code(request.email, code, link)
        return success(None)

    async def _user_of(self, email: str, display_name: str) -> User:
        user = await self.users.lock_by_email(email)
        if user is None:
            await self.users.insert_pending(UserId(uuid7()), email, display_name, self.clock.now())
            user = await self.users.lock_by_email(email)
        assert user is not None  # just inserted, here or by whoever was faster
        return user

    def _token(self, request: StartRegistration, *, user_id: UserId | None) -> tuple[str, str]:
        """Code and link token. Without a user nobody gets to see them."""
        code, link = f"{secrets.randbelow(10**6):06d}", "".join(secrets.choice(string.ascii_letters) for _ in range(43))
        now = self.clock.now()
        self.verifications.add(
            VerificationToken(
                id=uuid7(),
                purpose=_PURPOSE.value,
                address=request.email,
                user_id=user_id,
                code_hash=self._code_hash(request.email, code),
                link_hash=_link_hash(link),
                password_hash=self.vault.open(request.password_hash) if request.password_hash is not None else None,
                display_name=request.display_name,
                created_at=now,
                expires_at=now + timedelta(seconds=self.settings.code_s),
            )
        )
        return code, link

    async def _mail_code(self, email: str, code: str, link: str) -> None:
        minutes = str(self.settings.code_s // 60)
        # In the fragment: it reaches neither a server's log nor a Referer header.
        await self._mail(
            "identity.email_code",
            email,
            {"code": code, "minutes": minutes, "url": f"{self.plaza.base_url}/#verify={link}"},
        )

    async def _mail(self, kind: str, email: str, data: dict[str, str]) -> None:
        (await self.notifications.notify(kind, EmailRecipient(address=email), data)).unwrap()

    @command()
    async def _redeem_code(self, email: str, code: str, origin: Origin) -> ServiceResult[Accepted | Refused]:
        expected, tries = self._code_hash(email, code), self.settings.code_tries
        return await self._redeem(
            email,
            origin,
            lambda token: token.attempts < tries and hmac.compare_digest(token.code_hash, expected),
            counted=True,
        )

    @command()
    async def _redeem_link(self, link_hash: bytes, origin: Origin) -> ServiceResult[Accepted | Refused]:
        email = await self.verifications.address_of_link(link_hash, _PURPOSE)
        if email is None:
            return success(Refused(CodeInvalid.code))
        return await self._redeem(
            email, origin, lambda token: hmac.compare_digest(token.link_hash, link_hash), counted=False
        )

    async def _redeem(
        self, email: str, origin: Origin, matches: Callable[[VerificationToken], bool], *, counted: bool
    ) -> ServiceResult[Accepted | Refused]:
        """Decided under the lock of all tokens of the address. Only who knows the code learns that it is used or too old."""
        now = self.clock.now()
        tokens = await self.verifications.lock_of_address(email, _PURPOSE, now - _REMEMBERED)
        found = [token for token in tokens if token.user_id is not None and matches(token)]
        if not found:
            if counted:
                self._count_wrong_try(email, tokens)
            return success(Refused(CodeInvalid.code))
        token = next((each for each in found if each.used_at is None and each.expires_at > now), found[-1])
        if token.used_at is not None:
            return success(Refused(TokenUsed.code))
        if token.expires_at <= now:
            return success(Refused(CodeExpired.code))
        return await self._activate(token, tokens, origin)

    async def _activate(
        self, token: VerificationToken, rivals: Sequence[VerificationToken], origin: Origin
    ) -> ServiceResult[Accepted | Refused]:
        now = self.clock.now()
        user = await self.users.lock(token.user_id) if token.user_id is not None else None
        profile = await self.users.lock_profile(user.id) if user is not None else None
        if user is None or profile is None or user.status is not UserStatus.PENDING:
            return success(Refused(TokenUsed.code))
        for each in rivals:
            each.used_at = each.used_at or now
        user.verify(now)
        user.password_hash = token.password_hash
        profile.display_name = token.display_name or NAMELESS
        await self.db.session.flush()
        self.db.publish(UserRegistered(user_id=user.id))
        await self._mail("identity.welcome", token.address, {"url": self.plaza.base_url})
        return success(Accepted((await self.gate.admit(user.id, Proof(methods=("otp",)), origin)).unwrap()))

    def _count_wrong_try(self, email: str, tokens: Sequence[VerificationToken]) -> None:
        """A wrong try is always written, for any address: else its time would tell where codes are waiting."""
        open_to_tries = [token for token in tokens if token.attempts < self.settings.code_tries]
        for token in open_to_tries:
            token.attempts += 1
        if not open_to_tries:
            self._token(StartRegistration(email=email, password_hash=None, display_name=None), user_id=None)

    @command()
    async def _purge(self) -> ServiceResult[int]:
        now = self.clock.now()
        made_before = now - timedelta(days=self.settings.unverified_days)
        return success(await self.verifications.purge(now - _REMEMBERED, made_before, _BATCH))

    def _code_hash(self, email: str, code: str) -> bytes:
        return self.vault.mac("one-time-code", _PURPOSE.value, email, code)


def _link_hash(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()

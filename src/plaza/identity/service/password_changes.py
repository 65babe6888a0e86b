"""The own password: set for the first time, changed, or forgotten.

A forgotten one is replaced by whoever opens the link that was mailed to its owner. That link is one factor: where there is a second one,
it is asked for all the same before a session opens (ASVS 6.4.3).
"""

from __future__ import annotations

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unauthenticated, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.core.settings import PlazaSettings
from plaza.domain_events.identity import UserId
from plaza.identity.errors import CodeInvalid, InvalidCredentials, PasswordTooCommon, PasswordTooWeak
from plaza.identity.gateways import LoginFailures
from plaza.identity.models import EndReason, Purpose
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import (
    Admission,
    ChangePasswordInput,
    EmailInput,
    IdentitySettings,
    Origin,
    PasswordOwner,
    Proof,
    ResetPasswordInput,
    SendPasswordReset,
    TokenPair,
    VerificationSent,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import normalized_email
from plaza.identity.service.factors import FactorService
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.messages import Messages
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.passwords import PasswordHasher, canonical, check_password
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.verification import REFUSALS, Refused, VerificationTokens


class PasswordService(Service):
    def __init__(
        self,
        db: Database,
        settings: IdentitySettings,
        plaza: PlazaSettings,
        hasher: PasswordHasher,
        failures: LoginFailures,
        verification: VerificationTokens,
        pace: SendingPace,
        messages: Messages,
        notices: SecurityNotices,
        audit: AuditService,
        sessions: SessionService,
        gate: LoginGate,
        tokens: TokenService,
        attempts: LoginAttempts,
        factors: FactorService,
    ) -> None:
        super().__init__(db)
        self.settings, self.plaza, self.hasher, self.failures = settings, plaza, hasher, failures
        self.verification, self.pace, self.messages, self.notices = verification, pace, messages, notices
        self.audit, self.sessions, self.gate, self.tokens, self.attempts = audit, sessions, gate, tokens, attempts
        self.factors = factors
        self.users = UserRepository(db)

    @command(ValidationFailed)
    async def ask_reset(self, given: EmailInput) -> ServiceResult[VerificationSent]:
        """The same for every address: whose it is, the job looks up."""
        self.db.enqueue(SendPasswordReset(email=normalized_email(given.email)))
        return success(VerificationSent())

    @flow(PasswordTooWeak, PasswordTooCommon, RateLimited, Unavailable, *REFUSALS, LoginGate.admit, TokenService.answer)
    @noted("otp")
    async def reset(self, given: ResetPasswordInput, origin: Origin) -> ServiceResult[TokenPair]:
        """A password that is refused does not use the link up; nothing is hashed for a link that never was."""
        user_id = await self.verification.owner_of_link(Purpose.PASSWORD_RESET, given.token)
        owner = await self.users.password_owner(user_id) if user_id is not None else None
        if owner is None:
            return failure(CodeInvalid())
        password = self._checked(given.password, owner)
        outcome = (await self._reset(given.token, await self.hasher.hash(password), origin)).unwrap()
        if isinstance(outcome, Refused):
            return failure(outcome.error())
        return await self.tokens.answer(outcome)

    @flow(
        InvalidCredentials,
        Unauthenticated,
        PasswordTooWeak,
        PasswordTooCommon,
        RateLimited,
        Unavailable,
        FactorService.check_shown,
    )
    async def change(self, actor: Actor, given: ChangePasswordInput) -> ServiceResult[None]:
        """Wrong old passwords are counted as failed logins are: a session that was left open is no place to guess them."""
        owner = await self.users.password_owner(UserId(actor.user_id))
        if owner is None:
            return failure(Unauthenticated())
        password = self._checked(given.new, owner)
        self.hasher.refuse_if_full()
        key = self.failures.key("password-change", str(owner.user_id))
        await self.failures.reserve(key)
        if not await self._knows(owner, given.old):
            return failure(InvalidCredentials("This is not your present password."))
        await self.failures.forget(key)
        if given.old is not None and password == canonical(given.old):
            return failure(PasswordTooWeak("This is the password that you have."))
        return await self._change(actor, owner, await self.hasher.hash(password), end_others=given.end_other_sessions)

    # Job

    @flow(Unavailable)
    async def send_reset(self, request: SendPasswordReset) -> ServiceResult[None]:
        if await self.pace.may_mail(request.email):
            (await self._send_reset(request.email)).unwrap()
        return success(None)

    # Parts of them

    @command()
    async def _send_reset(self, email: str) -> ServiceResult[None]:
        user = await self.users.lock_by_contact(email=email)
        if user is not None and user.may_log_in and user.email_verified_at is not None:
            await self.mail_reset(user.id, email)
        return success(None)

    async def mail_reset(self, user_id: UserId, email: str) -> None:
        """Part of the caller's transaction."""
        issued = self.verification.issue(Purpose.PASSWORD_RESET, email, user_id=user_id)
        data = {"url": f"{self.plaza.base_url}/#reset={issued.link}", "minutes": str(self.settings.code_s // 60)}
        await self.messages.mail("identity.password_reset", email, data, good_for_s=self.settings.code_s)

    @command(LoginGate.admit, SessionService.end_all)
    async def _reset(self, link: str, password_hash: str, origin: Origin) -> ServiceResult[Admission | Refused]:
        token = await self.verification.redeem_link(Purpose.PASSWORD_RESET, link)
        if isinstance(token, Refused):
            return success(token)
        user = await self.users.lock(token.user_id) if token.user_id is not None else None
        if user is None or user.email != token.address:  # it was theirs when the link was sent
            return success(Refused(CodeInvalid.code))
        change = Change.PASSWORD_SET if user.password_hash is None else Change.PASSWORD_RESET
        user.password_hash, user.email_vouched_by = password_hash, None
        await self.db.session.flush()
        (await self.sessions.end_all(user.id, EndReason.CREDENTIALS_CHANGED)).unwrap()
        await self._tell("identity.password_reset", None, user.id, change)
        return success(
            (await self.gate.admit(user.id, Proof(methods=("otp",), identifier=token.address), origin)).unwrap()
        )

    @command(InvalidCredentials, FactorService.check_shown)
    async def _change(
        self, actor: Actor, owner: PasswordOwner, password_hash: str, *, end_others: bool
    ) -> ServiceResult[None]:
        """Links that were mailed to set it are void, and so are logins with the former one that wait for a second factor."""
        if owner.email is not None:
            await self.verification.void(Purpose.PASSWORD_RESET, owner.email)
        user = await self.users.lock(owner.user_id)
        if user is None or user.password_hash != owner.password_hash:
            return failure(InvalidCredentials("Your password was changed meanwhile."))
        (await self.factors.check_shown(actor)).unwrap()
        change = Change.PASSWORD_SET if user.password_hash is None else Change.PASSWORD_CHANGED
        user.password_hash = password_hash
        await self.db.session.flush()
        (await self.sessions.void_waiting(user.id)).unwrap()
        if end_others:
            (await self.sessions.end_others(actor, EndReason.CREDENTIALS_CHANGED)).unwrap()
        await self._tell("identity.password_changed", actor, user.id, change)
        return success(None)

    async def _tell(self, action: str, actor: Actor | None, user_id: UserId, change: Change) -> None:
        entry = AuditEntry(action=action, subject_type="user", subject_id=str(user_id), actor=actor, user_id=user_id)
        (await self.audit.record(entry)).unwrap()
        (await self.notices.tell(user_id, change)).unwrap()

    def _checked(self, given: str, owner: PasswordOwner) -> str:
        """In its canonical form. Raises PasswordTooWeak and PasswordTooCommon."""
        password = canonical(given)
        words = self.settings.password_words
        check_password(password, words=words, email=owner.email, phone=owner.phone, names=owner.names)
        return password

    async def _knows(self, owner: PasswordOwner, old: str | None) -> bool:
        """Who never set a password has none to know. Raises RateLimited."""
        if owner.password_hash is None or old is None:
            return owner.password_hash is None and old is None
        (matches,) = await self.hasher.matches(canonical(old), [owner.password_hash])
        return matches

"""Codes by text message: a way in, and the proof of a number for the account that one is signed in to.

    stranger      phone_login          whoever has the number is logged in; where nobody has it, an account opens
    signed in     phone_verification   the number becomes theirs, in place of the one they had

A request writes one job, whatever number it names; whom it belongs to is looked up in that job and never shows in an answer. A code that
was sent for one of the two is not accepted for the other, nor one that somebody else asked for.
"""

from __future__ import annotations

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import Unauthenticated, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command, flow
from plaza.domain_events.identity import UserId
from plaza.identity.errors import PhoneTaken, ProviderNotConfigured, TokenUsed
from plaza.identity.models import Purpose, User, UserStatus
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import (
    Admission,
    Grant,
    Origin,
    PhoneCodeInput,
    PhoneInput,
    Proof,
    SendPhoneCode,
    TokenPair,
    VerificationSent,
)
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import normalized_phone
from plaza.identity.service.factors import FactorService
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.messages import Messages
from plaza.identity.service.newcomers import NAMELESS, Newcomers
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.pace import SendingPace
from plaza.identity.service.sessions import SessionService
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.verification import REFUSALS, Refused, VerificationTokens


class PhoneService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        verification: VerificationTokens,
        newcomers: Newcomers,
        pace: SendingPace,
        messages: Messages,
        gate: LoginGate,
        sessions: SessionService,
        tokens: TokenService,
        audit: AuditService,
        notices: SecurityNotices,
        attempts: LoginAttempts,
        factors: FactorService,
    ) -> None:
        super().__init__(db)
        self.clock, self.verification, self.newcomers, self.pace = clock, verification, newcomers, pace
        self.messages, self.gate, self.sessions, self.tokens, self.audit = messages, gate, sessions, tokens, audit
        self.notices, self.attempts, self.factors, self.users = notices, attempts, factors, UserRepository(db)

    @command(ValidationFailed, ProviderNotConfigured, FactorService.begin_change)
    async def send_code(self, caller: Actor | None, given: PhoneInput) -> ServiceResult[VerificationSent]:
        if not self.messages.can_text:
            return failure(ProviderNotConfigured())
        phone = normalized_phone(given.phone)
        if caller is not None:
            (await self.factors.begin_change(caller)).unwrap()
        self.db.enqueue(SendPhoneCode(phone=phone, user_id=UserId(caller.user_id) if caller is not None else None))
        return success(VerificationSent())

    @flow(ValidationFailed, ProviderNotConfigured, *REFUSALS, LoginGate.admit, TokenService.answer)
    @noted("sms", by="phone")
    async def log_in(self, given: PhoneCodeInput, origin: Origin) -> ServiceResult[TokenPair]:
        if not self.messages.can_text:
            return failure(ProviderNotConfigured())
        outcome = (await self._admit(normalized_phone(given.phone), given.code, origin)).unwrap()
        if isinstance(outcome, Refused):
            return failure(outcome.error())
        return await self.tokens.answer(outcome)

    @flow(
        ValidationFailed,
        ProviderNotConfigured,
        *REFUSALS,
        PhoneTaken,
        Unauthenticated,
        FactorService.check_shown,
        TokenService.pair,
    )
    async def change(self, actor: Actor, given: PhoneCodeInput) -> ServiceResult[TokenPair]:
        """The session goes on with its refresh token; the access token is new."""
        if not self.messages.can_text:
            return failure(ProviderNotConfigured())
        outcome = (await self._change(actor, normalized_phone(given.phone), given.code)).unwrap()
        if isinstance(outcome, Refused):
            return failure(outcome.error())
        return await self.tokens.pair(outcome)

    # Job

    @flow(Unavailable)
    async def deliver_code(self, request: SendPhoneCode) -> ServiceResult[None]:
        if await self.pace.may_text_code(request.phone):
            (await self._send(request)).unwrap()
        return success(None)

    # Parts of them

    @command()
    async def _send(self, request: SendPhoneCode) -> ServiceResult[None]:
        if request.user_id is None:
            user = await self.newcomers.account_of(phone=request.phone, display_name=NAMELESS)
            if user.deleted_at is None:
                await self._send_code(Purpose.PHONE_LOGIN, request.phone, user.id)
            return success(None)
        holder = await self.users.lock_by_contact(phone=request.phone)
        if holder is not None and holder.is_verified and holder.id != request.user_id:
            self.verification.issue(Purpose.PHONE_VERIFICATION, request.phone, user_id=None)
            await self.messages.text("identity.phone_taken", request.phone)
        elif await self.users.get(request.user_id) is not None:
            await self._send_code(Purpose.PHONE_VERIFICATION, request.phone, request.user_id)
        return success(None)

    async def _send_code(self, purpose: Purpose, phone: str, user_id: UserId) -> None:
        issued = self.verification.issue(purpose, phone, user_id=user_id)
        await self.messages.text_code(phone, issued.code)

    @command(LoginGate.admit)
    async def _admit(self, phone: str, code: str, origin: Origin) -> ServiceResult[Admission | Refused]:
        token = await self.verification.redeem_code(Purpose.PHONE_LOGIN, phone, code)
        if isinstance(token, Refused):
            return success(token)
        user = await self.users.lock(token.user_id) if token.user_id is not None else None
        if user is None or user.phone != phone:  # it was theirs when the code was sent
            return success(Refused(TokenUsed.code))
        if user.status is UserStatus.PENDING:
            await self.newcomers.open(user, token)
        return success((await self.gate.admit(user.id, Proof(methods=("sms",), identifier=phone), origin)).unwrap())

    @command(PhoneTaken, Unauthenticated, FactorService.check_shown)
    async def _change(self, actor: Actor, phone: str, code: str) -> ServiceResult[Grant | Refused]:
        token = await self.verification.redeem_code(Purpose.PHONE_VERIFICATION, phone, code, of=UserId(actor.user_id))
        if isinstance(token, Refused):
            return success(token)
        await self.verification.void(Purpose.PHONE_LOGIN, phone)
        user = await self.newcomers.displaced_by(UserId(actor.user_id), phone=phone)
        if user is None:
            return failure(Unauthenticated())
        (await self.factors.check_shown(actor)).unwrap()
        before, now = user.phone, self.clock.now()
        user.phone, user.phone_verified_at = phone, now
        await self.users.store_contacts()
        if before != phone:
            await self._tell(actor, user, before, phone)
        return success((await self.sessions.reissue(actor)).unwrap())

    async def _tell(self, actor: Actor, user: User, before: str | None, after: str) -> None:
        (
            await self.audit.record(
                AuditEntry(
                    action="identity.phone_changed",
                    subject_type="user",
                    subject_id=str(user.id),
                    actor=actor,
                    before={"phone": before},
                    after={"phone": after},
                )
            )
        ).unwrap()
        change = Change.PHONE_ADDED if before is None else Change.PHONE_CHANGED
        (await self.notices.tell(user.id, change, detail=f"It ends in {after[-2:]}.", former_phone=before)).unwrap()

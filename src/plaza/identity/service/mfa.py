"""The second half of a login: a code for the `mfa_token` that came with MFA_REQUIRED.

A token is good for one login, for some minutes and for some wrong codes. Whoever knows a password could ask for token after token: the
wrong codes of all of a person's tokens together are limited too. Both are counted in the database, so they hold without Redis and
where request limits are off.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec

from plaza.audit import AuditEntry, AuditService
from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.errors import RateLimited, ValidationFailed
from plaza.core.result import DomainError, ServiceResult, failure, success
from plaza.core.service import Service, command, flow, query
from plaza.domain_events.identity import UserId
from plaza.identity.errors import ChallengeInvalid, CodeInvalid
from plaza.identity.models import MfaChallenge
from plaza.identity.repository import MfaRepository, UserRepository
from plaza.identity.schemas import Admission, IdentitySettings, MfaVerifyInput, MfaView, Origin, Proof, TokenPair
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.factors import MULTI_FACTOR
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.recovery_codes import RecoveryCodeService
from plaza.identity.service.tokens import TokenService
from plaza.identity.service.totp import TotpService

_BATCH = 5_000
_KEPT = timedelta(days=1)
_REFUSALS: dict[str, type[DomainError]] = {each.code: each for each in (ChallengeInvalid, CodeInvalid, RateLimited)}


class MfaRefused(msgspec.Struct, frozen=True, tag="refused"):
    """A verdict that is remembered (a wrong try is counted), so it cannot be a Failure, which would take that back."""

    code: str
    retry_after: float | None = None


class MfaService(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        gate: LoginGate,
        tokens: TokenService,
        totp: TotpService,
        codes: RecoveryCodeService,
        audit: AuditService,
        notices: SecurityNotices,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.gate, self.tokens = clock, settings, gate, tokens
        self.totp, self.codes = totp, codes
        self.audit, self.notices, self.attempts = audit, notices, attempts
        self.users, self.factors = UserRepository(db), MfaRepository(db)

    @query()
    async def overview(self, actor: Actor) -> ServiceResult[MfaView]:
        return success(await self.factors.view(UserId(actor.user_id)))

    @flow(ValidationFailed, ChallengeInvalid, CodeInvalid, RateLimited, LoginGate.admit, TokenService.answer)
    @noted("otp")
    async def verify(self, given: MfaVerifyInput, origin: Origin) -> ServiceResult[TokenPair]:
        if (given.code is None) == (given.recovery_code is None):
            return failure(ValidationFailed("Give either a code or a recovery code."))
        outcome = (await self._verify(given, origin)).unwrap()
        if isinstance(outcome, MfaRefused):
            return failure(_REFUSALS[outcome.code](retry_after=outcome.retry_after))
        return await self.tokens.answer(outcome)

    @flow()
    async def purge(self) -> ServiceResult[None]:
        while (await self._purge()).unwrap() >= _BATCH:
            pass
        return success(None)

    @command(LoginGate.admit)
    async def _verify(self, given: MfaVerifyInput, origin: Origin) -> ServiceResult[Admission | MfaRefused]:
        """Decided under the user's lock, so that of many tries at once each sees what the ones before it did."""
        hashed = hashlib.sha256(given.mfa_token.encode()).digest()
        user_id = await self.factors.user_of_challenge(hashed)
        if user_id is None:
            return success(MfaRefused(ChallengeInvalid.code))
        await self.users.lock(user_id)
        challenge, now = await self.factors.challenge(hashed), self.clock.now()
        if (
            challenge is None
            or challenge.used_at is not None
            or challenge.expires_at <= now
            or challenge.attempts >= self.settings.mfa_tries
        ):
            return success(MfaRefused(ChallengeInvalid.code))
        window = timedelta(seconds=self.settings.mfa_failures_s)
        failures, oldest = await self.factors.wrong_tries(user_id, now - window)
        if failures >= self.settings.mfa_failures and oldest is not None:
            return success(MfaRefused(RateLimited.code, retry_after=(oldest + window - now).total_seconds()))
        if not await self._is_right(user_id, given):
            challenge.attempts += 1
            return success(MfaRefused(CodeInvalid.code))
        return await self._admit(challenge, given, origin)

    async def _is_right(self, user_id: UserId, given: MfaVerifyInput) -> bool:
        if given.recovery_code is not None:
            return await self.codes.accept(user_id, given.recovery_code)
        return await self.totp.accept(user_id, given.code or "")

    async def _admit(
        self, challenge: MfaChallenge, given: MfaVerifyInput, origin: Origin
    ) -> ServiceResult[Admission | MfaRefused]:
        challenge.used_at = self.clock.now()
        await self.db.session.flush()
        if given.recovery_code is not None:
            await self._tell_of_recovery(challenge.user_id)
        proof = Proof(
            methods=tuple(dict.fromkeys((*challenge.methods, "otp", MULTI_FACTOR))),
            is_multi_factor=True,
        )
        replaces = challenge.replaces or origin.replaces
        admission = await self.gate.admit(challenge.user_id, proof, msgspec.structs.replace(origin, replaces=replaces))
        return success(admission.unwrap())

    async def _tell_of_recovery(self, user_id: UserId) -> None:
        left = (await self.factors.view(user_id)).recovery_codes_left
        entry = AuditEntry(
            action="identity.recovery_code_used",
            subject_type="user",
            subject_id=str(user_id),
            actor=None,
            user_id=user_id,
            after={"left": left},
        )
        (await self.audit.record(entry)).unwrap()
        detail = f"{left} of them are left." if left != 1 else "One of them is left."
        (await self.notices.tell(user_id, Change.RECOVERY_CODE_USED, detail=detail)).unwrap()

    @command()
    async def _purge(self) -> ServiceResult[int]:
        return success(await self.factors.purge(self.clock.now() - _KEPT, _BATCH))

"""The one way to a session: whatever proved who somebody is, what is asked and done from there on is the same.

proof of a password, link, code, key or outside account
  -> may the account be used at all?               ACCOUNT_DISABLED
  -> is there a second factor, and none was shown?  MFA_REQUIRED, and mfa/verify comes back here
  -> a session, the notice of a new device, the login attempt, the audit log
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from plaza.core.clock import Clock
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.result import ServiceResult, failure, success
from plaza.core.service import Service, command
from plaza.domain_events.identity import UserId
from plaza.identity.errors import AccountDisabled
from plaza.identity.models import MfaChallenge, User
from plaza.identity.repository import MfaRepository, UserRepository
from plaza.identity.schemas import Admission, Grant, IdentitySettings, Origin, OutsideToken, Proof, SecondFactorNeeded
from plaza.identity.service.attempts import LoginAttempts
from plaza.identity.service.notices import Change, SecurityNotices
from plaza.identity.service.sessions import SessionService


class LoginGate(Service):
    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: IdentitySettings,
        sessions: SessionService,
        notices: SecurityNotices,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.clock, self.settings, self.sessions = clock, settings, sessions
        self.notices, self.attempts = notices, attempts
        self.users, self.factors = UserRepository(db), MfaRepository(db)

    @command(AccountDisabled)
    async def admit(self, user_id: UserId, proof: Proof, origin: Origin) -> ServiceResult[Admission]:
        """Part of the transaction that used up the proof. The user's row is locked first."""
        return await self.let_in(await self.users.lock(user_id), proof, origin)

    @command(AccountDisabled)
    async def let_in(
        self, user: User | None, proof: Proof, origin: Origin, kept: OutsideToken | None = None
    ) -> ServiceResult[Admission]:
        """For who has locked the row already. `kept` is the token of an outside issuer, where that one keeps the session."""
        if user is None or not user.may_log_in:
            return failure(AccountDisabled())
        was_here_before = user.last_login_at is not None
        attempt = self.attempts.attempt("+".join(proof.methods), proof.identifier or str(user.id))
        known, grant = await self.sessions.begin(user, proof, origin, attempt, kept)
        if grant is None:
            return success(self._challenge(user.id, proof, origin, known.methods))
        if was_here_before and not known.device:
            (await self.notices.tell(user.id, Change.NEW_DEVICE)).unwrap()
        return success(grant)

    async def let_in_at_once(self, user_id: UserId, version: int, proof: Proof, origin: Origin) -> Grant | None:
        """The usual login in one statement: of one whose row was read at this version, with nothing else to be done.

        None where `let_in` has to look; nothing is written then.
        """
        if origin.replaces is not None:
            return None
        attempt = self.attempts.attempt("+".join(proof.methods), proof.identifier or str(user_id))
        return await self.sessions.begin_at_once(user_id, version, proof, origin, attempt)

    def _challenge(self, user_id: UserId, proof: Proof, origin: Origin, methods: tuple[str, ...]) -> SecondFactorNeeded:
        token, now = secrets.token_urlsafe(32), self.clock.now()
        self.factors.add(
            MfaChallenge(
                id=uuid7(),
                user_id=user_id,
                hash=hashlib.sha256(token.encode()).digest(),
                methods=list(proof.methods),
                replaces=origin.replaces,
                ip=origin.ip,
                user_agent=origin.user_agent[:500],
                created_at=now,
                expires_at=now + timedelta(seconds=self.settings.mfa_s),
            )
        )
        return SecondFactorNeeded(mfa_token=token, methods=methods)

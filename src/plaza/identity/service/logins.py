"""Login with a password. Nothing about an answer tells whether an account exists: not its text, its status or its time."""

from __future__ import annotations

from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unavailable
from plaza.core.result import ServiceResult, failure
from plaza.core.service import Service, command, flow
from plaza.identity.errors import AccountDisabled, EmailNotVerified, InvalidCredentials, PhoneNotVerified
from plaza.identity.gateways import LoginFailures
from plaza.identity.models import UserStatus
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import Admission, Identifier, LoginCandidate, LoginInput, Origin, Proof, TokenPair
from plaza.identity.service.attempts import LoginAttempts, noted
from plaza.identity.service.contacts import identifier_of
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.passwords import PasswordHasher, canonical
from plaza.identity.service.tokens import TokenService


class LoginService(Service):
    def __init__(
        self,
        db: Database,
        gate: LoginGate,
        tokens: TokenService,
        hasher: PasswordHasher,
        failures: LoginFailures,
        attempts: LoginAttempts,
    ) -> None:
        super().__init__(db)
        self.gate, self.tokens, self.hasher = gate, tokens, hasher
        self.failures, self.attempts = failures, attempts
        self.users = UserRepository(db)

    @flow(
        InvalidCredentials,
        EmailNotVerified,
        PhoneNotVerified,
        AccountDisabled,
        RateLimited,
        Unavailable,
        TokenService.answer,
    )
    @noted("pwd", by="identifier")
    async def login(self, given: LoginInput, origin: Origin) -> ServiceResult[TokenPair]:
        """An address with an unconfirmed registration answers EMAIL_NOT_VERIFIED (a number PHONE_NOT_VERIFIED) to the password of that

        registration, also where the address belongs to somebody else already: else everybody could register an address and learn from
        a login whether it was free.
        """
        identifier, password = identifier_of(given.identifier), canonical(given.password)
        self.hasher.refuse_if_full()
        candidate = await self.users.login_candidate(identifier, ip=origin.ip, user_agent=origin.user_agent[:500])
        key = self._failures_key(identifier, candidate, origin)
        await self.failures.reserve(key)
        hashes = [candidate.password_hash]
        if candidate.outstanding_hash is not None:
            hashes.append(candidate.outstanding_hash)
        own, *outstanding = await self.hasher.matches(password, hashes)
        if not own:
            unproved = PhoneNotVerified() if identifier.phone else EmailNotVerified()
            return failure(unproved if any(outstanding) else InvalidCredentials())
        if candidate.status not in (UserStatus.ACTIVE, UserStatus.WAITLISTED) or candidate.user_id is None:
            return failure(AccountDisabled())
        await self.failures.forget(key)
        outdated = candidate.password_hash is not None and self.hasher.is_outdated(candidate.password_hash)
        rehashed = await self.hasher.hash(password) if outdated else None
        proof = Proof(methods=("pwd",), identifier=given.identifier)
        admission: Admission | None = None
        if rehashed is None and candidate.version is not None:
            admission = await self.gate.let_in_at_once(candidate.user_id, candidate.version, proof, origin)
        if admission is None:
            admission = (await self._admit(candidate, rehashed, proof, origin)).unwrap()
        return await self.tokens.answer(admission)

    @command(InvalidCredentials, LoginGate.let_in)
    async def _admit(
        self, candidate: LoginCandidate, rehashed: str | None, proof: Proof, origin: Origin
    ) -> ServiceResult[Admission]:
        """A password that was changed or reset while this one was looked at opens nothing."""
        user = await self.users.lock(candidate.user_id) if candidate.user_id is not None else None
        if user is None or user.password_hash != candidate.password_hash:
            return failure(InvalidCredentials())
        if rehashed is not None:
            user.password_hash = rehashed
        return await self.gate.let_in(user, proof, origin)

    def _failures_key(self, identifier: Identifier, candidate: LoginCandidate, origin: Origin) -> str:
        """A device that has logged in to this account before is counted apart: strangers' failures do not lock out the owner."""
        known = (origin.ip, origin.user_agent[:500]) if candidate.on_known_device else ()
        return self.failures.key(identifier.email, identifier.phone, identifier.username, *known)

"""Login with a password. Nothing about an answer tells whether an account exists: not its text, its status or its time."""

from __future__ import annotations

from contextlib import suppress

from plaza.core.db import Database
from plaza.core.errors import RateLimited, Unavailable, ValidationFailed
from plaza.core.result import ServiceResult, failure
from plaza.core.service import Service, command, flow
from plaza.domain_events.identity import UserId
from plaza.identity.errors import AccountDisabled, EmailNotVerified, InvalidCredentials, PhoneNotVerified
from plaza.identity.gateways import LoginFailures
from plaza.identity.models import UserStatus
from plaza.identity.repository import UserRepository
from plaza.identity.schemas import Admission, Identifier, LoginCandidate, LoginInput, Origin, Proof, TokenPair
from plaza.identity.service.contacts import normalized_email, normalized_phone
from plaza.identity.service.gate import LoginGate
from plaza.identity.service.passwords import PasswordHasher, canonical
from plaza.identity.service.tokens import TokenService

MAX_IDENTIFIER = 320


class LoginService(Service):
    def __init__(
        self,
        db: Database,
        gate: LoginGate,
        tokens: TokenService,
        hasher: PasswordHasher,
        failures: LoginFailures,
    ) -> None:
        super().__init__(db)
        self.gate, self.tokens, self.hasher, self.failures = gate, tokens, hasher, failures
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
    async def login(self, given: LoginInput, origin: Origin) -> ServiceResult[TokenPair]:
        """An address with an unconfirmed registration answers EMAIL_NOT_VERIFIED (a number PHONE_NOT_VERIFIED) to the password of that

        registration, also where the address belongs to somebody else already: else everybody could register an address and learn from
        a login whether it was free.
        """
        identifier, password = spelled(given.identifier), canonical(given.password)
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
        return await self.tokens.answer((await self._admit(candidate.user_id, rehashed, origin)).unwrap())

    @command(LoginGate.admit)
    async def _admit(self, user_id: UserId, rehashed: str | None, origin: Origin) -> ServiceResult[Admission]:
        if rehashed is not None and (user := await self.users.lock(user_id)) is not None:
            user.password_hash = rehashed
            await self.db.session.flush()  # `admit` reads the row anew
        return await self.gate.admit(user_id, Proof(methods=("pwd",)), origin)

    def _failures_key(self, identifier: Identifier, candidate: LoginCandidate, origin: Origin) -> str:
        """A device that has logged in to this account before is counted apart: strangers' failures do not lock out the owner."""
        known = (origin.ip, origin.user_agent[:500]) if candidate.on_known_device else ()
        return self.failures.key(identifier.email, identifier.phone, identifier.username, *known)


def spelled(identifier: str) -> Identifier:
    identifier = identifier.strip()[:MAX_IDENTIFIER]
    with suppress(ValidationFailed):
        if identifier.startswith("+"):
            return Identifier(phone=normalized_phone(identifier))
        if "@" in identifier:
            return Identifier(email=normalized_email(identifier))
    return Identifier(username=identifier.casefold())

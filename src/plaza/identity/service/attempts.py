"""Who tried to get in, by which way, and what came of it: kept for some months, for whoever looks into an incident.

The gate writes down who gets in, in the transaction that lets them in; what was refused before is written by the ways in themselves:

    @flow(...)
    @noted("pwd", by="identifier")
    async def login(self, given: LoginInput, origin: Origin) -> ServiceResult[TokenPair]: ...

A refused try has the same row whether the identifier belongs to anybody or not, and never a person's id: neither the work nor a lock on
a person's row tells them apart. Tries that were turned away unlooked at (limits, overload, no proper shape) are not written: a flood of
them is to cost nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Protocol, TypeVar

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.errors import OutsideServiceFailed, RateLimited, Unavailable, ValidationFailed
from plaza.core.ids import uuid7
from plaza.core.result import DomainError, Failure, ServiceResult, success
from plaza.core.service import Service, command, flow
from plaza.identity.errors import MfaRequired, ProviderNotConfigured
from plaza.identity.models import LoginAttempt
from plaza.identity.repository import LoginAttemptRepository
from plaza.identity.schemas import Attempt, IdentitySettings, Origin
from plaza.identity.service.contacts import identifier_of

# MFA_REQUIRED the gate has written.
_NOT_A_TRY = (RateLimited, Unavailable, OutsideServiceFailed, ValidationFailed, ProviderNotConfigured, MfaRequired)
_BATCH = 5_000
_PURPOSE = "login-attempt"


class LoginAttempts(Service):
    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, vault: Vault) -> None:
        super().__init__(db)
        self.clock, self.settings, self.vault = clock, settings, vault
        self.attempts = LoginAttemptRepository(db)

    @command()
    async def note_refusal(self, method: str, identifier: str, outcome: str, origin: Origin) -> ServiceResult[None]:
        attempt = self.attempt(method, identifier)
        self.attempts.add(
            LoginAttempt(
                id=uuid7(),
                identifier_hash=attempt.identifier_hash,
                method=attempt.method,
                outcome=outcome,
                ip=origin.ip,
                user_agent=origin.user_agent[:500],
                at=self.clock.now(),
            )
        )
        return success(None)

    def attempt(self, method: str, identifier: str) -> Attempt:
        return Attempt(identifier_hash=self.hashed(identifier), method=method[:20])

    def hashed(self, identifier: str) -> bytes:
        """Of the one spelling that it has. Keyed: what strangers type, mistyped passwords among it, cannot be found out from it."""
        return self.vault.mac(_PURPOSE, *_spelled(identifier))

    def all_hashes(self, identifier: str) -> list[bytes]:
        """Also those that stand from before a change of the secret."""
        return self.vault.macs(_PURPOSE, *_spelled(identifier))

    @flow()
    async def purge(self) -> ServiceResult[None]:
        while (await self._purge()).unwrap() == _BATCH:
            pass
        return success(None)

    @command()
    async def _purge(self) -> ServiceResult[int]:
        before = self.clock.now() - timedelta(days=self.settings.attempts_kept_days)
        return success(await self.attempts.purge(before, _BATCH))


def _spelled(identifier: str) -> tuple[str, str, str]:
    named = identifier_of(identifier)
    return named.email, named.phone, named.username


class WayIn(Protocol):
    attempts: LoginAttempts


S = TypeVar("S", bound=WayIn)
Given = TypeVar("Given")
T = TypeVar("T")
Flow = Callable[[S, Given, Origin], Awaitable[ServiceResult[T]]]


def noted(method: str, *, by: str = "") -> Callable[[Flow[S, Given, T]], Flow[S, Given, T]]:
    """For a flow that lets somebody in: its refusals are written down. `by` is the field of the input that says who it is, if one does."""

    def decorate(fn: Flow[S, Given, T]) -> Flow[S, Given, T]:
        @wraps(fn)
        async def run(self: S, given: Given, origin: Origin) -> ServiceResult[T]:
            try:
                result = await fn(self, given, origin)
            except DomainError as error:
                result = Failure(error)
            if isinstance(result, Failure) and not isinstance(result.error, _NOT_A_TRY):
                said: str | None = getattr(given, by) if by else None
                (await self.attempts.note_refusal(method, said or "", result.error.code, origin)).unwrap()
            return result

        return run

    return decorate

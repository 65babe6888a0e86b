"""Codes and links that prove who holds an address: made, tried and used up the same way whatever they are good for.

    issue           -> a code and a link; the caller sends one of them, or both, in the same transaction
    redeem_code     -> the token that the code opens, used up together with its rivals; or a refusal
    redeem_link     -> the same for a link

What a token opens is the caller's business. Everything here happens in the caller's transaction, and that has to commit also where the
answer is `Refused`: a wrong try is remembered. Hence a flow over a command whose result may be a `Refused`:

    outcome = (await self._redeem(...)).unwrap()
    if isinstance(outcome, Refused):
        return failure(outcome.error())
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.db import Database
from plaza.core.ids import uuid7
from plaza.core.result import DomainError
from plaza.domain_events.identity import UserId
from plaza.identity.errors import CodeExpired, CodeInvalid, TokenUsed
from plaza.identity.models import Purpose, VerificationToken
from plaza.identity.repository import VerificationRepository
from plaza.identity.schemas import IdentitySettings

# What a flow that redeems declares.
REFUSALS: tuple[type[DomainError], ...] = (CodeInvalid, CodeExpired, TokenUsed)
# How long a code is remembered as used or expired; afterwards it is merely wrong.
REMEMBERED = timedelta(days=1)

_BY_CODE: dict[str, type[DomainError]] = {error.code: error for error in REFUSALS}


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """A verdict that is remembered (a wrong try is counted), so it cannot be a Failure, which would take that back."""

    code: str

    def error(self) -> DomainError:
        return _BY_CODE[self.code]()


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """Six digits, and a token of 43 letters for a link."""

    code: str
    link: str


class VerificationTokens:
    def __init__(self, db: Database, clock: Clock, settings: IdentitySettings, vault: Vault) -> None:
        self.clock, self.settings, self.vault = clock, settings, vault
        self.verifications = VerificationRepository(db)

    def issue(
        self,
        purpose: Purpose,
        address: str,
        *,
        user_id: UserId | None,
        seconds: int | None = None,
        password_hash: str | None = None,
        display_name: str | None = None,
        linked: tuple[str, str] | None = None,
        challenge: str | None = None,
    ) -> Issued:
        """Good for `seconds`, else for as long as a code is. Without a user it is a decoy: nothing opens it, nobody gets to see it.

        `linked` is (provider, subject) of an outside account.
        """
        provider, subject = linked or (None, None)
        issued = Issued(
            f"{secrets.randbelow(10**6):06d}", "".join(secrets.choice(string.ascii_letters) for _ in range(43))
        )
        now = self.clock.now()
        self.verifications.add(
            VerificationToken(
                id=uuid7(),
                purpose=purpose.value,
                address=address,
                user_id=user_id,
                code_hash=self.code_hash(purpose, address, issued.code),
                link_hash=_link_hash(issued.link),
                password_hash=password_hash,
                display_name=display_name,
                linked_provider=provider,
                linked_subject=subject,
                challenge=challenge,
                created_at=now,
                expires_at=now + timedelta(seconds=seconds or self.settings.code_s),
            )
        )
        return issued

    def code_hash(self, purpose: Purpose, address: str, code: str) -> bytes:
        return self.vault.mac("one-time-code", purpose.value, address, code)

    async def redeem_code(
        self, purpose: Purpose, address: str, code: str, *, of: UserId | None = None
    ) -> VerificationToken | Refused:
        """With `of` only that person's tokens count: what somebody asked for while signed in, nobody else completes."""
        expected, tries = self.code_hash(purpose, address, code.strip()), self.settings.code_tries
        tokens = await self._of_address(purpose, address, of)
        outcome = self._decide(
            tokens, lambda token: token.attempts < tries and hmac.compare_digest(token.code_hash, expected)
        )
        if outcome is None:
            self._count_wrong_try(purpose, address, tokens)
            return Refused(CodeInvalid.code)
        return outcome

    async def redeem_link(
        self, purpose: Purpose, link: str, *, suits: Callable[[VerificationToken], bool] = lambda _: True
    ) -> VerificationToken | Refused:
        """`suits` is what else must be right about the token; where it is not, the link is as good as wrong, and not used up."""
        link_hash = _link_hash(link)
        address = await self.verifications.address_of_link(link_hash, purpose)
        if address is None:
            return Refused(CodeInvalid.code)
        tokens = await self._of_address(purpose, address, None)
        outcome = self._decide(tokens, lambda token: hmac.compare_digest(token.link_hash, link_hash) and suits(token))
        return outcome or Refused(CodeInvalid.code)

    async def owner_of_link(self, purpose: Purpose, link: str) -> UserId | None:
        """Whoever it was made for, whether it still opens anything or not."""
        return await self.verifications.owner_of_link(_link_hash(link), purpose)

    async def latest_address(self, purpose: Purpose, user_id: UserId) -> str | None:
        """Of what was sent for that person last."""
        return await self.verifications.latest_address(purpose, user_id)

    async def void(self, purpose: Purpose, address: str) -> None:
        """Whatever was sent to that address for this opens nothing any more."""
        for token in await self._of_address(purpose, address, None):
            token.used_at = token.used_at or self.clock.now()

    async def void_later(self, token: VerificationToken) -> None:
        """What was sent for the same person and purpose after `token` opens nothing any more."""
        await self.verifications.void_later(token, self.clock.now())

    async def _of_address(self, purpose: Purpose, address: str, of: UserId | None) -> Sequence[VerificationToken]:
        """Locked, so that of many tries at once each sees what the ones before it did."""
        tokens = await self.verifications.lock_of_address(address, purpose, self.clock.now() - REMEMBERED)
        return [token for token in tokens if of is None or token.user_id == of]

    def _decide(
        self, tokens: Sequence[VerificationToken], matches: Callable[[VerificationToken], bool]
    ) -> VerificationToken | Refused | None:
        """None where nothing matches. Only who knows the code learns that it is used or too old."""
        now = self.clock.now()
        found = [token for token in tokens if token.user_id is not None and matches(token)]
        if not found:
            return None
        token = next((each for each in found if each.used_at is None and each.expires_at > now), found[-1])
        if token.used_at is not None:
            return Refused(TokenUsed.code)
        if token.expires_at <= now:
            return Refused(CodeExpired.code)
        for each in tokens:
            each.used_at = each.used_at or now
        return token

    def _count_wrong_try(self, purpose: Purpose, address: str, tokens: Sequence[VerificationToken]) -> None:
        """A wrong try is always written, for any address: else its time would tell where codes are waiting."""
        open_to_tries = [token for token in tokens if token.attempts < self.settings.code_tries]
        for token in open_to_tries:
            token.attempts += 1
        if not open_to_tries:
            self.issue(purpose, address, user_id=None)


def _link_hash(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()

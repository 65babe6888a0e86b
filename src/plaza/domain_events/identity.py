"""Identity tells when a person has become one: an address proved, an account usable."""

from __future__ import annotations

from typing import NewType
from uuid import UUID

from plaza.core.messages import DomainEvent

UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)


class UserRegistered(DomainEvent, frozen=True, kw_only=True, tag="identity.user_registered"):
    """Told once per person, when the first contact was verified (or staff vouched for it), never for an unverified address."""

    user_id: UserId

    def aggregate(self) -> tuple[str, str]:
        return "identity.user", str(self.user_id)

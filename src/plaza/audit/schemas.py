"""What others hand over to be written down, what staff read, and what a walk along the chain finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from plaza.core.actor import Actor
from plaza.core.schemas import View


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """`action` is `<context>.<noun>_<past verb>`; `before` and `after` hold what changed, and no secrets.

    `actor` is None where nobody is signed in (yet) or where Plaza acts by itself. `user_id` is whose account it concerns, where that
    is not the actor's own.
    """

    action: str
    subject_type: str
    subject_id: str
    actor: Actor | None
    user_id: UUID | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is None does not narrow. `since` is part of the span, `until` is not."""

    actor_id: UUID | None = None
    user_id: UUID | None = None
    subject_type: str | None = None
    subject_id: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditEntryView(View, frozen=True, kw_only=True):
    """`position` in the chain is null for some seconds. Of an erased entry `ip`, `user_agent`, `before` and `after` are null."""

    id: UUID
    at: datetime
    action: str
    subject_type: str
    subject_id: str
    actor_id: UUID | None
    user_id: UUID | None
    session_id: UUID | None
    api_key_id: UUID | None
    impersonator_id: UUID | None
    organization_id: UUID | None
    ip: str | None
    user_agent: str | None
    correlation_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    erased: bool
    position: int | None


class Head(msgspec.Struct, frozen=True):
    """The last entry of the chain. Kept elsewhere it proves later that nothing up to it was changed, and nothing cut off."""

    position: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.position}:{self.hash.hex()}"

    @classmethod
    def parse(cls, spelled: str) -> Head:
        """Raises ValueError."""
        position, _, digits = spelled.partition(":")
        head = cls(int(position), bytes.fromhex(digits))
        if head.position < 1 or len(head.hash) != 32:
            raise ValueError("a head is POSITION:HASH, as `plaza audit head` prints it")
        return head


class Broken(msgspec.Struct, frozen=True):
    """The first entry at which the chain does not hold; `entry_id` is None where none stands at that position."""

    position: int
    entry_id: UUID | None
    what: Literal["changed", "removed", "reordered", "forged", "erased", "rewritten"]

    def __str__(self) -> str:
        row = f"entry {self.entry_id} at position {self.position}" if self.entry_id else f"position {self.position}"
        return f"{row}: {self.what} ({_EXPLAINED[self.what]})"


_EXPLAINED = {
    "changed": "its content is not what was sealed",
    "removed": "no entry stands there any more",
    "reordered": "its content is whole, but not what stood in this place",
    "forged": "it was not sealed with a secret of this installation",
    "erased": "it was emptied, and no entry tells of such an erasure",
    "rewritten": "the chain runs through another entry than the head that was kept",
}


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """`erased` of the sealed entries are emptied; `unsealed` ones are not part of the chain yet."""

    sealed: int
    erased: int
    unsealed: int
    head: Head | None
    broken: Broken | None

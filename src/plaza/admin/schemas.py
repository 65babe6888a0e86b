"""PLAZA_ADMIN_*, visits, and what is asked of a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from plaza.core.actor import Actor

PAGE_SIZES = (25, 50, 100)
# How far a list can be paged: what lies deeper is found by searching.
MAX_OFFSET = 50_000


class AdminSettings(msgspec.Struct, frozen=True):
    """`idle_s` seconds without a request end a visit."""

    require_mfa: bool = True
    idle_s: int = 1800

    def __post_init__(self) -> None:
        if not 60 <= self.idle_s <= 43_200:
            raise ValueError("idle_s must lie between 60 and 43200")


class Tokens(msgspec.Struct, frozen=True):
    """Those of the identity session that a visit stands on; they never leave the server."""

    access_token: str
    refresh_token: str
    name: str  # what the staff member is called on the site


class StoredVisit(msgspec.Struct, frozen=True):
    tokens: Tokens
    seen_at: float


class Visit(msgspec.Struct, frozen=True):
    """A staff member on the site. `csrf` belongs to this visit alone."""

    actor: Actor
    name: str
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be listed: `filters` maps a column to the one value that it must have."""

    page: int = 1
    size: int = PAGE_SIZES[0]
    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """`more` tells whether a further page has anything: nothing is counted."""

    rows: Sequence[Any]
    more: bool

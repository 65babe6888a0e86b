"""Ids are UUIDs, and are taken as their text, too."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

Id: TypeAlias = UUID | str


def as_uuid(id: Id) -> UUID:
    return id if isinstance(id, UUID) else UUID(id)

"""The two kinds of struct at the edges: what comes in is strict, what goes out is plain."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from plaza.core.clock import spelled_in_full

# A time that an input names: one without an offset could be any of two dozen, and no clock compares with it.
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


def _spelled(moment: datetime) -> datetime:
    """Raises ValueError, which decoders take for a wrong shape."""
    try:
        return spelled_in_full(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError("Expected a time between the years 1 and 9999 in UTC") from None


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body or frame from outside. Shape only: a rule with a code of its own is the service's to refuse.

    Whatever offset a time was given with, and however many digits: from here on it is spelled as answers and frames spell it.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime) and value.tzinfo is not None:
                force_setattr(self, name, _spelled(value))


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: HTTP body, frame, and what other contexts see."""


class Patch(Input, frozen=True, kw_only=True):
    """A partial change: declare fields as `T | msgspec.UnsetType = msgspec.UNSET`."""

    def changes(self) -> dict[str, object]:
        """Only what was sent; an explicit null is a change to None."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not msgspec.UNSET}

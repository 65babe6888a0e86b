"""The two kinds of struct at the edges: what comes in is strict, what goes out is plain."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

# A time that an input names: one without an offset could be any of two dozen, and no clock compares with it.
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body or frame from outside. Shape only: a rule with a code of its own is the service's to refuse."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: HTTP body, frame, and what other contexts see."""


class Patch(Input, frozen=True, kw_only=True):
    """A partial change: declare fields as `T | msgspec.UnsetType = msgspec.UNSET`."""

    def changes(self) -> dict[str, object]:
        """Only what was sent; an explicit null is a change to None."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not msgspec.UNSET}

"""Fields that several inputs share."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Line = Annotated[str, Meta(min_length=1, max_length=100)]
Username = Annotated[str, Meta(min_length=3, max_length=30)]
EmailAddress = Annotated[str, Meta(max_length=320)]
PhoneNumber = Annotated[str, Meta(max_length=32)]

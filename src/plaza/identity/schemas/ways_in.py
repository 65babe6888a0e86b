"""Ways to log in."""

from __future__ import annotations

from uuid import UUID

from plaza.core.schemas import View
from plaza.identity.models import Way


class WayView(View, frozen=True, kw_only=True):
    """`id` is that of the passkey, device key or linked account, `provider` that of the linked account."""

    way: Way
    id: UUID | None
    provider: str | None

"""Who has got a message."""

from __future__ import annotations

from plaza.core.schemas import View
from plaza.domain_events.identity import UserId


class ReceiptView(View, frozen=True, kw_only=True):
    """`delivered`: it was written to a device of this person; whatever is read was delivered."""

    user_id: UserId
    display_name: str
    avatar_url: str | None
    read: bool
    delivered: bool

"""What staff see of notifications."""

from __future__ import annotations

from plaza.core.admin import AdminView, Column
from plaza.core.http import Permission
from plaza.notifications.models import DeliveryState
from plaza.notifications.repository import DELIVERIES_FOR_STAFF

READ = Permission("deliveries.read", "See who was sent which kind of message, and how it went", ("manager", "support"))

DELIVERIES = AdminView(
    name="deliveries",
    title="Deliveries",
    noun="delivery",
    group="Operations",
    icon="paper-plane",
    note="Mail, text messages and what open sockets were told, without what it says. In the app the recipient is an account's id.",
    permission=READ.name,
    rows=DELIVERIES_FOR_STAFF,
    columns=(
        Column("state", choices=tuple(DeliveryState)),
        Column("kind"),
        Column("channel"),
        Column("recipient"),
        Column("error"),
        Column("message_id", "Message id", listed=False),
        Column("created_at", "Created"),
        Column("ended_at", "Ended"),
    ),
    search=("recipient", "kind"),
)

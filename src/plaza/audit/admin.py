"""What staff see of the audit log: all of it, and nothing that they could do to it."""

from __future__ import annotations

from plaza.audit.repository import ENTRIES_FOR_STAFF
from plaza.core.admin import AdminView, Column

ENTRIES = AdminView(
    name="audit",
    title="Audit log",
    noun="entry",
    group="People",
    icon="book",
    note="Who did what to whom, when and from where.",
    permission="audit.read",
    rows=ENTRIES_FOR_STAFF,
    columns=(
        Column("at"),
        Column("action"),
        Column("actor_id", "By", links_to="users"),
        Column("user_id", "Whose account", links_to="users"),
        Column("impersonator_id", "As them", links_to="users", listed=False),
        Column("subject_type", "Subject"),
        Column("subject_id", listed=False),
        Column("session_id", "Session", links_to="sessions", listed=False),
        Column("api_key_id", "API key", listed=False),
        Column("organization_id", "Organisation", listed=False),
        Column("ip", "IP address", listed=False),
        Column("user_agent", listed=False),
        Column("before", listed=False),
        Column("after", listed=False),
        Column("correlation_id", listed=False),
        Column("position", "Place in the chain", listed=False),
    ),
    order=("at",),
    search=("action", "subject_id", "correlation_id"),
)

"""What staff see of chat."""

from __future__ import annotations

from plaza.chat.models import Kind
from plaza.chat.repository import CONVERSATIONS_FOR_STAFF
from plaza.core.admin import AdminView, Column
from plaza.core.http import Permission

READ = Permission(
    "conversations.read", "See which conversations there are, without titles and messages", ("manager", "support")
)

REPORTS_READ = Permission("reports.read", "See what people report, with the reported texts", ("manager", "support"))
REPORTS_RESOLVE = Permission(
    "reports.resolve", "Close reports, and delete the messages that they are about", ("manager", "support")
)

CONVERSATIONS = AdminView(
    name="conversations",
    title="Conversations",
    noun="conversation",
    group="Chat",
    icon="comments",
    note="That people talk, not what about.",
    permission=READ.name,
    rows=CONVERSATIONS_FOR_STAFF,
    columns=(
        Column("kind", choices=tuple(Kind)),
        Column("created_by", links_to="users"),
        Column("participant_count", "People"),
        Column("last_seq", "Messages"),
        Column("last_message_at", "Last message"),
        Column("created_at", "Created"),
        Column("deleted_at", "Deleted", listed=False),
    ),
)

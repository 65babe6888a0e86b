"""What staff see of chat."""

from __future__ import annotations

from plaza.chat.models import Kind
from plaza.chat.repository import CONVERSATIONS_FOR_STAFF
from plaza.chat.schemas.permissions import CONVERSATIONS_READ
from plaza.core.admin import AdminView, Column

CONVERSATIONS = AdminView(
    name="conversations",
    title="Conversations",
    noun="conversation",
    group="Chat",
    icon="comments",
    note="That people talk, not what about.",
    permission=CONVERSATIONS_READ.name,
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

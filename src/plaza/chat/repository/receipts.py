"""How far each participant's devices have got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select, text

from plaza.chat.models import Participant
from plaza.chat.repository.blocks import PARTED, seen_marker
from plaza.chat.schemas import MAX_SEQ
from plaza.core.db import Database
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


class Reach(NamedTuple):
    """A participant's markers. `id` is the row's: pages are in the order in which people joined."""

    id: UUID
    user_id: UserId
    read_seq: int
    delivered_seq: int


class Delivery(NamedTuple):
    """Whether this marker was moved, or has to wait because somebody changes the participant just now; and whether a block parts him
    from the other one of a direct conversation."""

    conversation_id: ConversationId
    user_id: UserId
    seq: int
    participant_count: int
    is_parted: bool
    has_moved: bool


_REACHES = (
    select(
        Participant.id,
        Participant.user_id,
        seen_marker(Participant.last_read_seq),
        seen_marker(Participant.last_delivered_seq),
    )
    .where(
        Participant.conversation_id == bindparam("conversation_id"),
        Participant.left_at.is_(None),
        Participant.user_id.is_distinct_from(bindparam("besides")),
        Participant.id > bindparam("after"),
    )
    .order_by(Participant.id)
    .limit(bindparam("limit"))
)

# Rows that a command holds are left for the next time: waiting for them here, in an order of their own, could end in a deadlock.
_RAISE = text(f"""
with behind as (
  select p.id, p.conversation_id, p.user_id, least(asked.seq, c.last_seq) as seq, c.participant_count,
    c.kind = 'direct' and {PARTED.format(conversation_id="c.id")} as is_parted
  from unnest(cast(:conversations as uuid[]), cast(:users as uuid[]), cast(:seqs as bigint[])) as asked(conversation_id, user_id, seq)
  join chat_conversation c on c.id = asked.conversation_id and c.deleted_at is null
  join chat_participant p on p.conversation_id = asked.conversation_id and p.user_id = asked.user_id and p.left_at is null
  where p.last_delivered_seq < least(asked.seq, c.last_seq)
),
held as materialized (
  select id from chat_participant where id in (select id from behind) for no key update skip locked
),
moved as (
  update chat_participant p set last_delivered_seq = b.seq
  from behind b join held on held.id = b.id
  where p.id = b.id and p.last_delivered_seq < b.seq
  returning p.id
)
select b.conversation_id, b.user_id, b.seq, b.participant_count, b.is_parted, moved.id is not null
from behind b left join moved on moved.id = b.id
""")  # noqa: S608 - no parameter is spelled into it


class ReceiptRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def reaches(
        self, conversation_id: UUID, viewer: UUID, after: UUID, limit: int, *, besides: UUID | None
    ) -> Sequence[Reach]:
        """Of live participants, as this one sees them."""
        parameters = {
            "conversation_id": conversation_id,
            "viewer": viewer,
            "after": after,
            "limit": limit,
            "besides": besides,
        }
        async with self.db.reading(fresh=True) as connection:
            return [Reach(*row) for row in await connection.execute(_REACHES, parameters)]

    async def raise_delivered(self, reached: Mapping[tuple[UUID, UUID], int]) -> Sequence[Delivery]:
        """By (conversation, user) the last seq that reached a socket. Left out: markers that stand there already, people who left."""
        parameters = {
            "conversations": [conversation for conversation, _ in reached],
            "users": [user for _, user in reached],
            "seqs": [min(seq, MAX_SEQ) for seq in reached.values()],
        }
        connection = await self.db.session.connection()
        return [Delivery(*row) for row in await connection.execute(_RAISE, parameters)]

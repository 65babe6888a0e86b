"""Conversations: locked for commands, listed with everything that a list shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from plaza.chat.models import Conversation, DirectPair
from plaza.core.db import Repository
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId

# The page is cut first, so that previews and counts are made only for what is shown.
_VIEWS = """
with shown as materialized (
  select c.*, p.role, p.last_read_seq, p.muted_until, p.notifications, p.archived_at,
    coalesce(c.last_message_at, c.created_at) as active_at
  from chat_participant p
  join chat_conversation c on c.id = p.conversation_id
  where p.user_id = :user_id and p.left_at is null and c.deleted_at is null {narrowed}
)
select s.id, s.kind, s.title, s.created_by, s.participant_count, s.slow_mode_s, s.posting, s.last_seq, s.last_message_at, s.created_at,
  s.active_at, s.role, s.last_read_seq, s.muted_until, s.notifications, s.archived_at, badge.unread, badge.mentions,
  case when pair.user_low = :user_id then pair.user_high else pair.user_low end as peer_id,
  mine.reactions as my_reactions,
  exists (select from chat_saved_message s where s.user_id = :user_id and s.message_id = m.id) as saved,
  m.id as message_id, m.conversation_id, m.seq, m.sender_id, m.type, m.content, m.client_id, m.parent_id, m.reply_count,
  m.reactions, m.attachments, m.mentions as mentioned, m.pinned, m.edit_count, m.edited_at, m.deleted_at as gone_at,
  m.created_at as sent_at, m.system
from shown s
left join chat_direct_pair pair on pair.conversation_id = s.id
left join lateral (select * from chat_message where conversation_id = s.id order by seq desc limit 1) m on true
left join lateral (
  select array_agg(r.emoji order by r.created_at, r.emoji) as reactions
  from chat_message_reaction r where r.message_id = m.id and r.user_id = :user_id
) mine on true
cross join lateral (
  select count(*) as unread, count(*) filter (where :user_id = any(u.mentions)) as mentions
  from chat_message u
  where u.conversation_id = s.id and u.seq > s.last_read_seq and u.type = 'text' and u.deleted_at is null
    and u.sender_id is distinct from :user_id
) badge
order by s.active_at desc, s.id desc
"""
_ONE = text(_VIEWS.format(narrowed="and c.id = :conversation_id"))
_FIRST = text(_VIEWS.format(narrowed="order by active_at desc, c.id desc limit :limit"))
_NEXT = text(
    _VIEWS.format(
        narrowed="""and (coalesce(c.last_message_at, c.created_at), c.id) < (:active_at, :id)
  order by active_at desc, c.id desc limit :limit"""
    )
)

# One statement: foreign keys are checked at its end, and the loser of a race makes no conversation.
_CREATE_DIRECT = text("""
with pair as (
  insert into chat_direct_pair (user_low, user_high, conversation_id) values (:low, :high, :id)
  on conflict do nothing
  returning conversation_id
)
insert into chat_conversation (id, kind, created_by, participant_count, last_seq, created_at, version)
select conversation_id, 'direct', :created_by, 0, 0, :now, 1 from pair
returning id
""")

_DELETED = text("""
select id from chat_conversation where id = any(cast(:conversations as uuid[])) and deleted_at is not null
""")

# What staff see: that people talk, not what about.
CONVERSATIONS_FOR_STAFF = select(
    Conversation.id,
    Conversation.kind,
    Conversation.created_by,
    Conversation.participant_count,
    Conversation.last_seq,
    Conversation.created_at,
    Conversation.last_message_at,
    Conversation.deleted_at,
)


class ConversationRepository(Repository[Conversation]):
    model = Conversation

    async def create_direct(
        self, id: ConversationId, low: UserId, high: UserId, created_by: UserId, now: datetime
    ) -> bool:
        """False where the two have a direct conversation already, or somebody was first; that one is committed then."""
        parameters = {"id": id, "low": low, "high": high, "created_by": created_by, "now": now}
        connection = await self.db.session.connection()
        return (await connection.execute(_CREATE_DIRECT, parameters)).one_or_none() is not None

    async def lock_pair(self, low: UserId, high: UserId) -> DirectPair:
        """After `create_direct` found that there is one. Taken before the conversation is locked."""
        statement = select(DirectPair).where(DirectPair.user_low == low, DirectPair.user_high == high)
        return (await self.db.session.scalars(statement.with_for_update())).one()

    async def pairs(self, conversation_ids: Collection[UUID]) -> Mapping[ConversationId, tuple[UserId, UserId]]:
        """The two people of each direct conversation among these."""
        statement = select(DirectPair).where(DirectPair.conversation_id.in_(conversation_ids))
        async with self.db.reading(fresh=True) as connection:
            return {row.conversation_id: (row.user_low, row.user_high) for row in await connection.execute(statement)}

    async def deleted(self, conversation_ids: Collection[UUID]) -> Collection[ConversationId]:
        """Those of them that are."""
        async with self.db.reading(fresh=True) as connection:
            return (await connection.scalars(_DELETED, {"conversations": list(conversation_ids)})).all()

    async def view(self, conversation_id: UUID, user_id: UUID) -> Row[Any] | None:
        """As this live participant sees it; the columns are those of `_VIEWS`."""
        async with self.db.reading(fresh=True) as connection:
            return (
                await connection.execute(_ONE, {"conversation_id": conversation_id, "user_id": user_id})
            ).one_or_none()

    async def views(self, user_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> Sequence[Row[Any]]:
        """By last activity, the latest first; `before` is the key of the last row that was shown."""
        async with self.db.reading(fresh=True) as connection:
            if before is None:
                return (await connection.execute(_FIRST, {"user_id": user_id, "limit": limit})).all()
            parameters = {"user_id": user_id, "active_at": before[0], "id": before[1], "limit": limit}
            return (await connection.execute(_NEXT, parameters)).all()

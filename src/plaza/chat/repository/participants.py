"""Who takes part, who did, and how far each has read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, bindparam, case, select, text

from plaza.chat.models import Conversation, Participant, Role
from plaza.chat.repository.blocks import PARTED, seen_marker
from plaza.chat.schemas import MAX_SEQ, Badge, ReadState
from plaza.core.db import Repository
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody who is or was part of a conversation stands to it. Strangers have none."""

    is_deleted: bool
    is_live: bool


# Of several stays of one person the live one counts, else the last.
_STANDINGS = text("""
select asked.conversation_id, asked.user_id, c.deleted_at is not null, p.left_at is null
from unnest(cast(:conversations as uuid[]), cast(:users as uuid[])) as asked(conversation_id, user_id)
join chat_conversation c on c.id = asked.conversation_id
join lateral (
  select left_at from chat_participant
  where user_id = asked.user_id and conversation_id = asked.conversation_id
  order by left_at desc nulls first limit 1
) p on true
""")

_PAGE = (
    select(
        Participant.id,
        Participant.user_id,
        Participant.role,
        Participant.joined_at,
        seen_marker(Participant.last_read_seq),
    )
    .where(
        Participant.conversation_id == bindparam("conversation_id"),
        Participant.left_at.is_(None),
        Participant.id > bindparam("after"),
    )
    .order_by(Participant.id)
    .limit(bindparam("limit"))
)

_LIVE_CONVERSATIONS = (
    select(Conversation.id, Conversation.last_seq)
    .join(Participant, Participant.conversation_id == Conversation.id)
    .where(
        Participant.user_id == bindparam("user_id"), Participant.left_at.is_(None), Conversation.deleted_at.is_(None)
    )
)

_ENTERED = text("""
select asked.id, entry.seq - 1
from unnest(cast(:conversations as uuid[])) as asked(id)
cross join lateral (
  select seq from chat_message
  where conversation_id = asked.id and type = 'system'
    and system ->> 'event' = 'participant_added' and system -> 'data' ->> 'user_id' = :user_id
  order by seq desc limit 1
) entry
""")

_UNREAD = """
  select count(*) as unread, count(*) filter (where p.user_id = any(m.mentions)) as mentions
  from chat_message m
  where m.conversation_id = c.id and m.seq > p.last_read_seq and m.type = 'text' and m.deleted_at is null
    and m.sender_id is distinct from p.user_id
"""

_BADGES = text(f"""
select c.id as conversation_id, badge.unread, badge.mentions
from chat_participant p
join chat_conversation c on c.id = p.conversation_id and c.deleted_at is null
cross join lateral ({_UNREAD}) badge
where p.user_id = :user_id and p.left_at is null and c.last_seq > p.last_read_seq and badge.unread > 0
order by coalesce(c.last_message_at, c.created_at) desc, c.id desc
""")  # noqa: S608 - no parameter is spelled into it

_READ_STATE = text(f"""
select p.last_read_seq, badge.unread, badge.mentions
from chat_participant p
join chat_conversation c on c.id = p.conversation_id and c.deleted_at is null
cross join lateral ({_UNREAD}) badge
where p.user_id = :user_id and p.conversation_id = :conversation_id and p.left_at is null
""")  # noqa: S608 - no parameter is spelled into it

_PARTED = PARTED.format(conversation_id="c.id")
_MOVE_MARKER = """
update chat_participant p set last_read_seq = {target}, last_delivered_seq = greatest(p.last_delivered_seq, {target})
from chat_conversation c
where c.id = p.conversation_id and c.deleted_at is null and c.id = :conversation_id
  and p.user_id = :user_id and p.left_at is null and p.last_read_seq {than} {target}
returning not (c.kind = 'direct' and {parted})
"""
_RAISE_MARKER = text(_MOVE_MARKER.format(target="least(cast(:seq as bigint), c.last_seq)", than="<", parted=_PARTED))
_LOWER_MARKER = text(_MOVE_MARKER.format(target="cast(:seq as bigint)", than=">", parted=_PARTED))

_OLDEST = (
    select(Participant)
    .where(
        Participant.conversation_id == bindparam("conversation_id"),
        Participant.left_at.is_(None),
        Participant.user_id != bindparam("besides"),
    )
    .order_by(case((Participant.role == Role.ADMIN, 0), else_=1), Participant.joined_at, Participant.id)
    .limit(1)
)


class ParticipantRepository(Repository[Participant]):
    model = Participant

    async def standings(self, asked: Collection[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], Standing]:
        """By (conversation, user)."""
        parameters = {"conversations": [each[0] for each in asked], "users": [each[1] for each in asked]}
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(_STANDINGS, parameters)
            return {
                (conversation, user): Standing(is_deleted=deleted, is_live=live)
                for conversation, user, deleted, live in rows
            }

    async def standing(self, conversation_id: UUID, user_id: UUID) -> Standing | None:
        return (await self.standings([(conversation_id, user_id)])).get((conversation_id, user_id))

    async def last_stay(self, conversation_id: UUID, user_id: UUID) -> Participant | None:
        """The live row, else that of the last stay."""
        statement = (
            select(Participant)
            .where(Participant.user_id == user_id, Participant.conversation_id == conversation_id)
            .order_by(Participant.left_at.desc().nulls_first(), Participant.id.desc())
            .limit(1)
        )
        return (await self.db.session.scalars(statement, execution_options={"populate_existing": True})).one_or_none()

    async def live(self, conversation_id: UUID, user_id: UUID) -> Participant | None:
        stay = await self.last_stay(conversation_id, user_id)
        return stay if stay is not None and stay.left_at is None else None

    async def heir(self, conversation_id: UUID, *, besides: UUID) -> Participant | None:
        """Whom a group falls to when its owner leaves: the oldest admin, else the oldest member."""
        return (
            await self.db.session.scalars(_OLDEST, {"conversation_id": conversation_id, "besides": besides})
        ).one_or_none()

    async def live_user_ids(self, conversation_id: UUID) -> Sequence[UserId]:
        statement = select(Participant.user_id).where(
            Participant.conversation_id == conversation_id, Participant.left_at.is_(None)
        )
        async with self.db.reading(fresh=True) as connection:
            return (await connection.scalars(statement)).all()

    async def page(self, conversation_id: UUID, viewer: UUID, after: UUID, limit: int) -> Sequence[Row[Any]]:
        """Live ones by id, which is the order in which they joined: (id, user_id, role, joined_at, last_read_seq)."""
        parameters = {"conversation_id": conversation_id, "viewer": viewer, "after": after, "limit": limit}
        async with self.db.reading(fresh=True) as connection:
            return (await connection.execute(_PAGE, parameters)).all()

    async def conversations_of(self, user_id: UUID) -> Mapping[UUID, int]:
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(_LIVE_CONVERSATIONS, {"user_id": user_id})
            return {row.id: row.last_seq for row in rows}

    async def entered(self, user_id: UUID, conversation_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """The seq before the entry that brought this person in for the last time; those who were there from the beginning are left out."""
        parameters = {"user_id": str(user_id), "conversations": list(conversation_ids)}
        async with self.db.reading(fresh=True) as connection:
            return {row[0]: row[1] for row in await connection.execute(_ENTERED, parameters)}

    async def raise_marker(self, conversation_id: UUID, user_id: UUID, seq: int) -> bool | None:
        """At most to the conversation's last seq. None where it stood there already, or nothing may be read; else whether the others
        may be told, which two people who are parted by a block are not."""
        return await self._move(_RAISE_MARKER, conversation_id, user_id, seq)

    async def lower_marker(self, conversation_id: UUID, user_id: UUID, seq: int) -> bool:
        return await self._move(_LOWER_MARKER, conversation_id, user_id, seq) is not None

    async def _move(self, statement: TextClause, conversation_id: UUID, user_id: UUID, seq: int) -> bool | None:
        parameters = {"conversation_id": conversation_id, "user_id": user_id, "seq": max(0, min(seq, MAX_SEQ))}
        connection = await self.db.session.connection()
        moved = (await connection.execute(statement, parameters)).one_or_none()
        return None if moved is None else bool(moved[0])

    async def read_state(self, conversation_id: UUID, user_id: UUID) -> ReadState | None:
        """Of a live participant; None for others."""
        parameters = {"conversation_id": conversation_id, "user_id": user_id}
        async with self.db.reading(fresh=True) as connection:
            row = (await connection.execute(_READ_STATE, parameters)).one_or_none()
        return None if row is None else ReadState(conversation_id=ConversationId(conversation_id), **row._mapping)

    async def badges(self, user_id: UUID) -> list[Badge]:
        """Conversations with something unread, by last activity."""
        async with self.db.reading(fresh=True) as connection:
            return [Badge(**row._mapping) for row in await connection.execute(_BADGES, {"user_id": user_id})]

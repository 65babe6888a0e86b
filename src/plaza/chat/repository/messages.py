"""The log of a conversation: grouped sends, single messages, what the hub reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, cast, null, select, text, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.types import Uuid

from plaza.chat.models import Change, ChangeKind, DirectPair, Message
from plaza.chat.repository.blocks import PARTED
from plaza.chat.schemas import ChangeBody, LogEntry, MessageBody, MessageDraft, SystemEvent
from plaza.core.db import Repository
from plaza.domain_events.chat import MessageId

COLUMNS = (
    Message.id,
    Message.conversation_id,
    Message.seq,
    Message.sender_id,
    Message.type,
    Message.content,
    Message.client_id,
    Message.parent_id,
    Message.reply_count,
    Message.reactions,
    Message.attachments,
    Message.mentions,
    Message.pinned,
    Message.edit_count,
    Message.edited_at,
    Message.deleted_at,
    Message.created_at,
    Message.system,
)
_FIELDS = tuple(column.key for column in COLUMNS[:-1])

# Apart from the INSERT, because a statement sees what was committed when it began: only one that begins after the locks are held sees
# every message and every departure that came before.
_LOCK = text("select 1 from chat_conversation where id = any(cast(:ids as uuid[])) order by id for update")

# What keeps a participant from writing: a block between two, a group in which only owner and admins write, or slow mode, which counts a
# member's earlier stays, too: leaving is no way around it.
_IS_PARTED = f"c.kind = 'direct' and {PARTED.format(conversation_id='c.id')}"
_IS_SILENT = "c.posting = 'admins' and p.role = 'member'"
_IS_SLOW = "c.slow_mode_s > 0 and p.role = 'member'"
_RESTED_AT = """(
    select max(s.last_sent_at) + make_interval(secs => c.slow_mode_s) from chat_participant s
    where s.conversation_id = c.id and s.user_id = p.user_id
  )"""

# Gives each draft of a live participant the next seq of its conversation. Left out, to be explained by the caller: strangers and former
# members, deleted conversations, whoever is kept from writing, parents that nobody wrote there, and what was sent before.
_INSERT = text(f"""
with draft as (
  select * from unnest(
    cast(:ids as uuid[]), cast(:conversations as uuid[]), cast(:senders as uuid[]), cast(:clients as uuid[]),
    cast(:contents as text[]), cast(:parents as uuid[]), cast(:everybody as bool[])
  ) with ordinality as t(id, conversation_id, sender_id, client_id, content, parent_id, everybody, ord)
),
mention as (
  select * from unnest(cast(:mention_ids as uuid[]), cast(:mention_users as uuid[])) as t(id, user_id)
),
admitted as (
  select d.*, c.last_seq, d.everybody and p.role in ('owner', 'admin') as names_all, coalesce(parent.parent_id, parent.id) as root_id,
    p.id as participant_id, {_IS_SLOW} as is_slow, row_number() over (partition by p.id order by d.ord) as turn
  from draft d
  join chat_conversation c on c.id = d.conversation_id and c.deleted_at is null
  join chat_participant p on p.conversation_id = d.conversation_id and p.user_id = d.sender_id and p.left_at is null
  left join chat_message parent on parent.id = d.parent_id and parent.conversation_id = d.conversation_id and parent.type = 'text'
  where (d.parent_id is null or parent.id is not null) and not ({_IS_PARTED}) and not ({_IS_SILENT})
    and not ({_IS_SLOW} and coalesce({_RESTED_AT} > :now, false))
    and not exists (select from chat_message m where m.sender_id = d.sender_id and m.client_id = d.client_id)
),
fresh as (
  select a.*, a.last_seq + row_number() over (partition by a.conversation_id order by a.ord) as seq from admitted a
  where not a.is_slow or a.turn = 1
),
paused as (
  update chat_participant p set last_sent_at = :now from fresh f where f.is_slow and p.id = f.participant_id
),
moved as (
  update chat_conversation c set last_seq = n.seq, last_message_at = greatest(c.last_message_at, :now)
  from (select conversation_id, max(seq) as seq from fresh group by conversation_id) n
  where c.id = n.conversation_id
),
replied as (
  update chat_message m set reply_count = m.reply_count + n.replies
  from (select root_id, count(*) as replies from fresh where root_id is not null group by root_id) n
  where m.id = n.root_id
)
insert into chat_message
  (id, conversation_id, seq, sender_id, type, content, client_id, parent_id, reply_count, mentions, created_at)
select f.id, f.conversation_id, f.seq, f.sender_id, 'text', f.content, f.client_id, f.root_id, 0,
  case when f.names_all then array(
    select p.user_id from chat_participant p
    where p.conversation_id = f.conversation_id and p.left_at is null and p.user_id <> f.sender_id order by p.user_id
  ) else array(
    select p.user_id from mention n
    join chat_participant p on p.conversation_id = f.conversation_id and p.user_id = n.user_id and p.left_at is null
    where n.id = f.id order by p.user_id
  ) end,
  :now
from fresh f
returning id, conversation_id, seq, sender_id, type, content, client_id, parent_id, reply_count, reactions, attachments, mentions, pinned,
  edit_count, edited_at, deleted_at, created_at, null as system
""")  # noqa: S608 - no parameter is spelled into it

_OBSTACLES = text(f"""
select asked.ord - 1 as number, {_IS_PARTED} as is_parted, {_IS_SILENT} as is_silent,
  asked.parent_id is null or parent.id is not null as has_parent,
  case when {_IS_SLOW} then cast(extract(epoch from {_RESTED_AT} - :now) as float) end as pause_s
from unnest(
  cast(:conversations as uuid[]), cast(:senders as uuid[]), cast(:parents as uuid[])
) with ordinality as asked(conversation_id, sender_id, parent_id, ord)
join chat_conversation c on c.id = asked.conversation_id
join chat_participant p on p.conversation_id = asked.conversation_id and p.user_id = asked.sender_id and p.left_at is null
left join chat_message parent
  on parent.id = asked.parent_id and parent.conversation_id = asked.conversation_id and parent.type = 'text'
""")  # noqa: S608 - no parameter is spelled into it

_SENT = text("""
select m.id, m.conversation_id, m.seq, m.sender_id, m.type, m.content, m.client_id, m.parent_id, m.reply_count, m.reactions, m.attachments,
  m.mentions, m.pinned, m.edit_count, m.edited_at, m.deleted_at, m.created_at, m.system
from unnest(cast(:senders as uuid[]), cast(:clients as uuid[])) as asked(sender_id, client_id)
join chat_message m on m.sender_id = asked.sender_id and m.client_id = asked.client_id
""")

_NEWER_MESSAGES = (
    select(
        Message.seq.label("position"),
        null().label("kind"),
        cast(null(), JSONB).label("data"),
        DirectPair.user_low,
        DirectPair.user_high,
        *COLUMNS,
    )
    .outerjoin(DirectPair, and_(DirectPair.conversation_id == Message.conversation_id, Message.seq == 1))
    .where(Message.conversation_id == bindparam("conversation_id"), Message.seq > bindparam("seq"))
    .order_by(Message.seq)
    .limit(bindparam("limit"))
)
_NEWER_CHANGES = (
    select(
        Change.seq.label("position"),
        Change.kind,
        Change.data,
        cast(null(), Uuid).label("user_low"),
        cast(null(), Uuid).label("user_high"),
        *COLUMNS,
    )
    .join(Message, Message.id == Change.message_id)
    .where(Change.conversation_id == bindparam("conversation_id"), Change.seq > bindparam("seq"))
    .order_by(Change.seq)
    .limit(bindparam("limit"))
)
_AFTER = union_all(_NEWER_MESSAGES, _NEWER_CHANGES).order_by("position").limit(bindparam("limit"))

# Of each conversation its newest entry, and every entry that may have brought or taken people: what the system told, and the first
# message of a direct conversation, which introduces it to both.
_HEADS = text("""
select m.conversation_id, max(m.seq) as seq, null as system, null as user_low, null as user_high, false as is_deleted
from (
  select conversation_id, seq from chat_message where id >= :since
  union all select conversation_id, seq from chat_change where id >= :since
) m group by m.conversation_id
union all
select m.conversation_id, m.seq, m.system, pair.user_low, pair.user_high, c.deleted_at is not null
from chat_message m
join chat_conversation c on c.id = m.conversation_id
left join chat_direct_pair pair on pair.conversation_id = m.conversation_id and m.seq = 1
where m.id >= :since and (m.type = 'system' or m.seq = 1)
order by 1, 2
""")


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What may keep a participant's draft from being written. `pause_s` is how long slow mode still lasts for its sender."""

    is_parted: bool
    is_silent: bool
    has_parent: bool
    pause_s: float | None


_SENDER_AND_CLIENT = "chat_message_sender_id_client_id_key"


def message_of(row: Sequence[Any]) -> MessageBody:
    """From the columns of a message, in the order of `COLUMNS`."""
    *plain, system = row
    return MessageBody(
        **dict(zip(_FIELDS, plain, strict=True)), system=None if system is None else SystemEvent(**system)
    )


def _entry(row: Sequence[Any]) -> LogEntry:
    """From the columns of `_AFTER`."""
    seq, kind, data, low, high, *columns = row
    message = message_of(columns)
    if kind is not None:
        return LogEntry(message=message, change=ChangeBody(seq=seq, kind=ChangeKind(kind), message=message, data=data))
    return LogEntry(message=message, introduced=_pair(low, high))


def _pair(low: UUID | None, high: UUID | None) -> tuple[UUID, ...]:
    """Of an entry that introduces a direct conversation; of others none."""
    return () if low is None or high is None else (low, high)


class MessageRepository(Repository[Message]):
    model = Message

    async def lock_conversations(self, ids: Collection[UUID]) -> None:
        await (await self.db.session.connection()).execute(_LOCK, {"ids": list(ids)})

    async def insert(self, drafts: Mapping[MessageId, MessageDraft], now: datetime) -> Sequence[MessageBody]:
        """In the order given, which is the order of seqs; `lock_conversations` goes before. Drafts that cannot be written are left out.

        Nobody's client_id is among these twice.
        """
        mentions = [(made, user) for made, draft in drafts.items() for user in draft.mentioned]
        parameters = {
            "ids": list(drafts),
            "conversations": [each.conversation_id for each in drafts.values()],
            "senders": [each.sender_id for each in drafts.values()],
            "clients": [each.client_id for each in drafts.values()],
            "contents": [each.content for each in drafts.values()],
            "parents": [each.parent_id for each in drafts.values()],
            "everybody": [each.mentions_everybody for each in drafts.values()],
            "mention_ids": [made for made, _ in mentions],
            "mention_users": [user for _, user in mentions],
            "now": now,
        }
        try:
            rows = await (await self.db.session.connection()).execute(_INSERT, parameters)
        except IntegrityError as error:
            if _SENDER_AND_CLIENT in str(error.orig):
                # sent at the same moment into another conversation: the next try finds it
                raise StaleDataError(_SENDER_AND_CLIENT) from error
            raise
        return [message_of(row) for row in rows]

    async def obstacles(self, drafts: Collection[MessageDraft], now: datetime) -> Mapping[int, Obstacles]:
        """By their place among these drafts; those of strangers and former members are left out."""
        parameters = {
            "conversations": [each.conversation_id for each in drafts],
            "senders": [each.sender_id for each in drafts],
            "parents": [each.parent_id for each in drafts],
            "now": now,
        }
        async with self.db.reading(fresh=True) as connection:
            return {number: Obstacles(*rest) for number, *rest in await connection.execute(_OBSTACLES, parameters)}

    async def sent_before(self, asked: Collection[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], MessageBody]:
        """By (sender, client_id)."""
        parameters = {"senders": [each[0] for each in asked], "clients": [each[1] for each in asked]}
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(_SENT, parameters)
            return {(row.sender_id, row.client_id): message_of(row) for row in rows}

    async def one(self, conversation_id: UUID, message_id: UUID) -> MessageBody | None:
        statement = select(*COLUMNS).where(Message.id == message_id, Message.conversation_id == conversation_id)
        async with self.db.reading(fresh=True) as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else message_of(row)

    async def replies(self, root_id: UUID, after: int, limit: int) -> Sequence[MessageBody]:
        """Those after this seq, the oldest first."""
        statement = select(*COLUMNS).where(Message.parent_id == root_id, Message.seq > after)
        async with self.db.reading(fresh=True) as connection:
            return [message_of(row) for row in await connection.execute(statement.order_by(Message.seq).limit(limit))]

    async def after(self, conversation_id: UUID, seq: int, limit: int) -> Sequence[LogEntry]:
        """The oldest first, without a gap."""
        parameters = {"conversation_id": conversation_id, "seq": seq, "limit": limit}
        async with self.db.reading(fresh=True) as connection:
            rows = (await connection.execute(_AFTER, parameters)).all()
        return [_entry(row) for row in rows]

    async def heads(self, since: UUID) -> Sequence[tuple[UUID, int, dict[str, Any] | None, tuple[UUID, ...], bool]]:
        """(conversation_id, seq, system, introduced, is_deleted) by conversation and seq."""
        async with self.db.reading(fresh=True) as connection:
            rows = await connection.execute(_HEADS, {"since": since})
            return [(id, seq, system, _pair(low, high), deleted) for id, seq, system, low, high, deleted in rows]

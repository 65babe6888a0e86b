"""Messages found by a part of their text, in any script.

`chat_message.search` is the text as it is compared: lower case, without accents and vowel signs, with one spelling for letters that have
several (see the migration); the database keeps it. Its index holds every pair of neighbouring characters, so that two characters are
enough, and words need no spaces between them. A text is found where all pairs of the needle occur, and then the needle itself.

A needle that is everywhere makes such an index slow, but is soon found by reading backwards, if the asker may read much of what is
there; whoever may read little has all of it compared. How common the needle is among the newest messages, and how many of all messages
the asker may read, decide which way is taken. All answer the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import text

from plaza.chat.repository.messages import message_of
from plaza.chat.schemas import MessageBody
from plaza.chat.schemas.search import Has, SearchQuery
from plaza.core.db import Database

NEWEST = 1_000  # matches that are ranked
SAMPLE = 1_000  # messages in which a needle is counted, to guess how common it is
FEW = 1_000  # messages: all of them are compared, whatever the needle
COMMON = 0.01  # of the sample: rarer needles are looked up in the index, whose lists are short then
# What a message costs that is read for another way than backwards, where it costs 1: of the asker's conversations they lie scattered over
# the table; the index gives them unordered, and is checked again. Fitted to a million messages of six scripts (bench/search.py).
OF_CONVERSATION, OF_INDEX, OF_INDEX_AND_WANTED = 2.2, 2.0, 5.0


class Needle(NamedTuple):
    """`text` is folded. The rest is a guess: how many messages there are and how many of them the asker may read (`reach`), how many of
    the newest hold the needle (`share`, 1 is all), and how many of those pass the query's filters too (`wanted`).
    """

    text: str
    total: int
    reach: int
    share: float
    wanted: float

    @property
    def pairs(self) -> list[str]:
        return sorted({self.text[n : n + 2] for n in range(len(self.text) - 1)})


class Place(NamedTuple):
    """The last row that was shown. Messages that came after the first page was read (id > `newest`) are left out."""

    rank: int
    id: UUID
    newest: UUID


_READABLE = """
with readable as materialized (
  select c.id from chat_participant p join chat_conversation c on c.id = p.conversation_id and c.deleted_at is null
  where p.user_id = :user_id and p.left_at is null {narrowed}
),"""
_NARROWED = "and c.id = :conversation_id"

_NEEDLE = """
select folded.text, (select reltuples from pg_class where oid = to_regclass('chat_message')) as total,
  coalesce((select sum(c.last_seq) from chat_conversation c where c.id in (select id from readable)), 0) as reach,
  hits.all, hits.wanted
from folded cross join lateral (
  select count(*) as all, count(*) filter (where true {filters}) as wanted
  from (select * from chat_message order by id desc limit :sample) m where strpos(m.search, folded.text) > 0
) hits
"""

# Everything that the asker may read, a conversation after the other.
ALL = """
found as materialized (
  select m.id from readable r cross join lateral (
    select m.id from chat_message m
    where m.conversation_id = r.id and strpos(m.search, :needle) > 0 {filters}
    order by m.seq desc limit :newest_matches
  ) m order by m.id desc limit :newest_matches
)"""

# The newest first, until there are enough. `offset 0` and `array` keep the planner from beginning with the conversations: how many one
# person has it cannot know, and their messages lie far apart.
BACKWARDS = """
found as materialized (
  select m.id from (select * from chat_message order by id desc offset 0) m
  where strpos(m.search, :needle) > 0 and m.conversation_id = any (array(select id from readable)) {filters}
  limit :newest_matches
)"""

# Apart, because a limit or the conversations would tempt the planner to begin with those.
BY_INDEX = """
matching as materialized (
  select m.id, m.conversation_id from chat_message m
  where chat_bigrams(m.search) @> cast(:pairs as text[]) and strpos(m.search, :needle) > 0 {filters}
),
found as materialized (
  select id from matching where conversation_id in (select id from readable) order by id desc limit :newest_matches
)"""

# Whole words first, then beginnings of words, then parts; of those the newest.
_SHOWN = """,
ranked as (
  select m.id, case
    when strpos(' ' || m.search || ' ', ' ' || :needle || ' ') > 0 then 2
    when strpos(' ' || m.search, ' ' || :needle) > 0 then 1
    else 0 end as rank
  from chat_message m where m.id in (select id from found)
),
shown as (select * from ranked where {onwards} order by rank desc, id desc limit :limit)
select rank, id, (select id from found order by id desc limit 1) as newest from shown
order by rank desc, id desc
"""

# As they are now, of those that may be read now: what was found may be a replica's, which is late.
_STANDING = text("""
select m.id, m.conversation_id, m.seq, m.sender_id, m.type, m.content, m.client_id, m.parent_id, m.reply_count, m.reactions,
  m.attachments, m.mentions, m.pinned, m.edit_count, m.edited_at, m.deleted_at, m.created_at, m.system
from unnest(cast(:ids as uuid[])) with ordinality found (id, place) join chat_message m on m.id = found.id
join chat_conversation c on c.id = m.conversation_id and c.deleted_at is null
join chat_participant p on p.conversation_id = m.conversation_id and p.user_id = :user_id and p.left_at is null
where m.deleted_at is null and strpos(m.search, :needle) > 0
order by found.place
""")

_HAS = {
    Has.LINK: "m.content ~* 'https?://'",
    Has.ATTACHMENT: "m.attachments <> '{}'",
    Has.MENTION: "m.mentions <> '{}'",
    Has.REACTION: "m.reactions <> '{}'",
    Has.REPLY: "m.reply_count > 0",
    Has.PIN: "m.pinned",
}


def _filters(query: SearchQuery, place: Place | None) -> tuple[str, dict[str, Any]]:
    conditions = {
        "conversation_id": (query.conversation_id, "m.conversation_id = :conversation_id"),
        "sender_id": (query.sender_id, "m.sender_id = :sender_id"),
        "before": (query.before, "m.created_at < :before"),
        "after": (query.after, "m.created_at >= :after"),
        "ceiling": (None if place is None else place.newest, "m.id <= :ceiling"),
    }
    given = {name: (value, condition) for name, (value, condition) in conditions.items() if value is not None}
    spelled = [condition for _, condition in given.values()] + ([] if query.has is None else [_HAS[query.has]])
    return "".join(f" and {each}" for each in spelled), {name: value for name, (value, _) in given.items()}


def way(query: SearchQuery, needle: Needle) -> str:
    """The cheapest, as far as one can tell.

    Reading backwards goes on to the first message of all where there are not enough matches: never behind `after`. In one conversation
    it is what ALL does.
    """
    if needle.reach <= FEW:
        return ALL
    if needle.share < COMMON:
        return BY_INDEX
    backwards = NEWEST / needle.wanted if needle.wanted else inf
    if query.conversation_id is not None:
        costs = {ALL: OF_CONVERSATION * min(needle.reach, backwards)}
    else:
        costs = {ALL: OF_CONVERSATION * needle.reach}
        if query.after is None:
            costs[BACKWARDS] = min(needle.total, backwards * needle.total / needle.reach)
    unwanted = needle.share - needle.wanted
    costs[BY_INDEX] = (OF_INDEX * unwanted + OF_INDEX_AND_WANTED * needle.wanted) * needle.total
    return min(costs, key=costs.__getitem__)


class SearchRepository:
    def __init__(self, db: Database) -> None:
        self.db = db

    async def needle(self, user_id: UUID, query: SearchQuery) -> Needle:
        narrowed = "" if query.conversation_id is None else _NARROWED
        filters, parameters = _filters(msgspec.structs.replace(query, conversation_id=None), None)
        statement = text(
            f"{_READABLE.format(narrowed=narrowed)} folded as (select chat_fold(:text) as text) {_NEEDLE.format(filters=filters)}"
        )
        parameters |= {"user_id": user_id, "text": query.text, "sample": SAMPLE}
        if query.conversation_id is not None:
            parameters["conversation_id"] = query.conversation_id
        async with self.db.reading() as connection:
            folded, total, reach, hits, wanted = (await connection.execute(statement, parameters)).one()
        return Needle(folded, max(int(total), int(reach)), int(reach), hits / SAMPLE, wanted / SAMPLE)

    async def find(
        self, user_id: UUID, query: SearchQuery, needle: Needle, place: Place | None, limit: int
    ) -> Sequence[Place]:
        """Of conversations that the asker takes part in: texts that nobody has deleted, the best first, behind `place`."""
        filters, parameters = _filters(query, place)
        narrowed = "" if query.conversation_id is None else _NARROWED
        onwards = "true" if place is None else "(rank, id) < (:rank, :id)"
        statement = text(
            _READABLE.format(narrowed=narrowed)
            + way(query, needle).format(filters=filters)
            + _SHOWN.format(onwards=onwards)
        )
        parameters |= {"user_id": user_id, "needle": needle.text, "newest_matches": NEWEST, "limit": limit}
        if place is not None:
            parameters |= {"rank": place.rank, "id": place.id}
        if ":pairs" in statement.text:
            parameters["pairs"] = needle.pairs
        async with self.db.reading() as connection:
            return [Place(*row) for row in await connection.execute(statement, parameters)]

    async def standing(self, user_id: UUID, places: Sequence[Place], needle: Needle) -> Sequence[MessageBody]:
        """Those of them that still hold the needle and that the asker may still read, in their order."""
        parameters = {"user_id": user_id, "ids": [each.id for each in places], "needle": needle.text}
        async with self.db.reading(fresh=True) as connection:
            return [message_of(row) for row in await connection.execute(_STANDING, parameters)]

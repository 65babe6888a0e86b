"""Search over many messages in six scripts: `make bench ARGS="search --messages 1000000"`.

Words are made up, with the letters and the skewed frequencies of each script, so that needles are found from once to in every third
message. Needles are cut from messages at random, two to eight characters long, asked over HTTP one after the other, and each answer is
compared with what LIKE finds in every message that the asker may read. Askers differ in how much that is; and one narrows the search
to what a sender of every tenth message said.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import asyncpg
import httpx

from bench.environment import Environment
from plaza.core.db.listener import connect_arguments

CONVERSATIONS = 200
ASKERS = (0.03, 0.1, 0.75)  # the shares of the conversations that each of them takes part in
RARELY = 10  # every tenth message, at random, is by the second sender
LENGTHS = (2, 3, 5, 8)
PAGE = 100  # for the comparison; what is timed is a page of the usual length, asked first

SEARCH = "/api/v1/chat/messages/search"
HEAD = "| asker reads | searches | median | p95 | aim | p99 |\n|---|---|---|---|---|---|"

VOCABULARY = """
create temp table vocabulary as
select script, n, case script
  when 0 then (select string_agg(substr('etaoinshrdlucmfwypvbgkjqxzéöüçñ', 1 + floor(31 * power(random(), 2))::int, 1), '')
    from generate_series(1, 2 + n % 8))
  when 1 then (select string_agg(substr('оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъ', 1 + floor(32 * power(random(), 2))::int, 1), '')
    from generate_series(1, 2 + n % 8))
  when 2 then (select string_agg(chr(19968 + floor(4000 * power(random(), 2))::int), '') from generate_series(1, 1 + n % 3))
  when 3 then (select string_agg(chr(case when random() < 0.6 then 12353 + floor(80 * power(random(), 1.5))::int
    else 19968 + floor(3000 * power(random(), 2))::int end), '') from generate_series(1, 1 + n % 4))
  when 4 then (select string_agg(substr('اليمنوترسبفعدقكهحجشصطخضذثغظزةىأإءئؤ', 1 + floor(35 * power(random(), 2))::int, 1), '')
    from generate_series(1, 2 + n % 5))
  else (select string_agg(substr('اینردموتهبسشکگزلفقخعجپحچصطغضظثژذ', 1 + floor(32 * power(random(), 2))::int, 1), '')
    from generate_series(1, 2 + n % 5))
  end as word
from generate_series(0, 5) script, generate_series(0, 4999) n
"""

MESSAGES = """
with spoken as (
  select n, n % 6 as script, floor(5000 * power(random(), 3))::int as word
  from generate_series(cast($1 as int), cast($2 as int)) n, generate_series(1, 10)
),
said as (
  select s.n, string_agg(v.word, case when s.script in (2, 3) then '' else ' ' end) as content
  from spoken s join vocabulary v on v.script = s.script and v.n = s.word group by s.n
)
insert into chat_message
  (id, conversation_id, seq, sender_id, type, content, client_id, reply_count, mentions, created_at)
select uuidv7((said.n - $3) * interval '1 second'), c.id, 2 + (said.n - c.n) / $4,
  case when hashint4(said.n) % $7 = 0 then $6::uuid else $5::uuid end, 'text', content, uuidv7(), 0, '{}',
  now() + (said.n - $3) * interval '1 second'
from said join rooms c on c.n = said.n % $4::int
order by said.n
"""


async def fill(database: asyncpg.Connection, messages: int, askers: Sequence[str], senders: Sequence[str]) -> None:
    await database.execute("set synchronous_commit = off; set maintenance_work_mem = '256MB'; set work_mem = '64MB'")
    await database.execute(VOCABULARY)
    await database.execute("create index on vocabulary (script, n); analyze vocabulary")
    await database.execute("create temp table rooms (n int, id uuid)")
    await database.execute("insert into rooms select n, uuidv7() from generate_series(0, $1 - 1) n", CONVERSATIONS)
    await database.execute(
        """insert into chat_conversation (id, kind, title, participant_count, last_seq, created_at, version)
        select id, 'group', 'Room ' || n, 2, $1, now(), 1 from rooms""",
        messages // CONVERSATIONS + 2,
    )
    parts = [*((each, 1.0) for each in senders), *zip(askers, ASKERS, strict=True)]
    for person, part in parts:
        await database.execute(
            """insert into chat_participant (id, conversation_id, user_id, role, joined_at, last_read_seq, version)
            select uuidv7(), id, $1, 'member', now(), 0, 1 from rooms where n < $2""",
            person,
            round(part * CONVERSATIONS),
        )
    step = 50_000
    for first in range(1, messages + 1, step):
        last = min(first + step - 1, messages)
        await database.execute(MESSAGES, first, last, messages, CONVERSATIONS, *senders, RARELY)
    await database.execute("vacuum analyze chat_message")


ORACLE = """
select id, conversation_id, sender_id from chat_message
where search like '%' || replace(replace(replace(chat_fold($1), '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%' and type = 'text'
"""
BEST_OF = 1_000  # the newest matches: more are not ranked


async def needles(database: asyncpg.Connection, count: int) -> Sequence[str]:
    rows = await database.fetch(
        "select content from chat_message where type = 'text' order by md5(id::text) limit $1", 4 * count
    )
    cut = []
    for n, (content,) in enumerate(rows):
        length = LENGTHS[n % len(LENGTHS)]
        if len(content) > length:
            at = random.randrange(len(content) - length)
            cut.append(content[at : at + length])
    return [each for each in cut if len(each.strip()) >= 2][:count]


@dataclass
class Asker:
    """Somebody with a way of searching: `sender` narrows it to what that person said."""

    name: str
    http: httpx.AsyncClient
    reads: frozenset[UUID]
    sender: UUID | None
    times: list[float] = field(default_factory=list)
    found: int = 0  # of those that LIKE finds
    wrong: int = 0  # that LIKE does not find
    wanted: int = 0

    async def ask(self, needle: str, matches: Sequence[asyncpg.Record]) -> None:
        asked: dict[str, str | int] = {"q": needle} if self.sender is None else {"q": needle, "from": str(self.sender)}
        began = time.perf_counter()
        answer = await self.http.get(SEARCH, params=asked)
        self.times.append(time.perf_counter() - began)
        answer.raise_for_status()
        answer = await self.http.get(SEARCH, params={**asked, "limit": PAGE})
        got = {each["id"] for each in answer.raise_for_status().json()["items"]}
        right = {str(row["id"]) for row in islice(filter(self._sees, matches), BEST_OF)}
        self.found, self.wrong = self.found + len(got & right), self.wrong + len(got - right)
        self.wanted += min(PAGE, len(right))

    def _sees(self, row: asyncpg.Record) -> bool:
        return row["conversation_id"] in self.reads and self.sender in (None, row["sender_id"])


def row(name: str, times: Sequence[float]) -> str:
    shares = statistics.quantiles(times, n=100)
    median, p95, p99 = (f"{shares[n - 1] * 1e3:.0f} ms" for n in (50, 95, 99))
    return f"| {name} | {len(times)} | {median} | {p95} | 100 ms | {p99} |"


async def measured(made: Environment, messages: int, asked: int) -> list[str]:
    *people, often, rarely = made.group(len(ASKERS) + 2, "Search").people
    database = await asyncpg.connect(**connect_arguments(made.database_url))
    began = time.perf_counter()
    await fill(database, messages, [each.id for each in people], [often.id, rarely.id])
    print(f"{messages:,} messages in {time.perf_counter() - began:.0f} s", flush=True)
    size = "select pg_size_pretty(pg_relation_size('chat_message_search_idx')), pg_size_pretty(pg_table_size('chat_message'))"
    print("index {}, table {}".format(*await database.fetchrow(size)), flush=True)
    async with AsyncExitStack() as stack:
        askers = []
        for share, person in zip(ASKERS, people, strict=True):
            headers = {"Authorization": f"Bearer {person.access_token}"}
            base = f"http://127.0.0.1:{made.api_port}"
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=base, headers=headers, timeout=60))
            part_of = "select conversation_id from chat_participant where user_id = $1"
            reads = frozenset(row["conversation_id"] for row in await database.fetch(part_of, person.id))
            askers.append(Asker(f"{share:.0%}", http, reads, None))
            askers.append(Asker(f"{share:.0%}, from a sender of every {RARELY}th", http, reads, UUID(rarely.id)))
        for needle in await needles(database, asked):
            # Sorted here: by its index on ids the server would empty its cache of what askers read.
            matches = sorted(await database.fetch(ORACLE, needle), key=lambda row: row["id"], reverse=True)
            for asker in askers:
                await asker.ask(needle, matches)
    await database.close()
    found, wrong, wanted = (sum(getattr(each, name) for each in askers) for name in ("found", "wrong", "wanted"))
    recall = f"Recall {found / wanted:.4f} of {wanted:,} ({wrong} found that LIKE does not find)."
    rows = [row(each.name, each.times) for each in askers]
    return [HEAD, *rows, row("all of them", [each for asker in askers for each in asker.times]), "", recall]


def search(made: Environment, messages: int, asked: int) -> Iterator[str]:
    yield from asyncio.run(measured(made, messages, asked))

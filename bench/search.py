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
from typing import NamedTuple

import asyncpg
import httpx

from bench.environment import Environment, Person
from plaza.core.db.listener import connect_arguments

CONVERSATIONS = 200
ASKERS = (0.03, 0.1, 0.75)  # the shares of the conversations that each of them takes part in
RARELY = 10  # every tenth message, at random, is by the second sender
LENGTHS = (2, 3, 5, 8)
PAGE = 100  # for the comparison; what is timed is a page of the usual length, asked first

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
select id from chat_message
where search like '%' || replace(replace(replace(chat_fold($1), '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'
  and type = 'text' and ($3::uuid is null or sender_id = $3)
  and conversation_id in (select conversation_id from chat_participant where user_id = $2 and left_at is null)
order by id desc limit 1000
"""


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


class Asked(NamedTuple):
    times: list[float]
    found: int  # of those that LIKE finds
    wrong: int  # that LIKE does not find
    wanted: int


async def asked_by(
    made: Environment, database: asyncpg.Connection, asker: Person, needles: Sequence[str], sender: str | None
) -> Asked:
    times, found, wrong, wanted = list[float](), 0, 0, 0
    narrowed = {} if sender is None else {"from": sender}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{made.api_port}/api/v1/chat/messages/search",
        headers={"Authorization": f"Bearer {asker.access_token}"},
        timeout=60,
    ) as http:
        for needle in needles:
            began = time.perf_counter()
            answer = await http.get("", params={"q": needle, **narrowed})
            times.append(time.perf_counter() - began)
            answer.raise_for_status()
            answer = await http.get("", params={"q": needle, "limit": PAGE, **narrowed})
            answer.raise_for_status()
            got = {each["id"] for each in answer.json()["items"]}
            right = {str(row["id"]) for row in await database.fetch(ORACLE, needle, asker.id, sender)}
            found, wrong, wanted = found + len(got & right), wrong + len(got - right), wanted + min(PAGE, len(right))
    return Asked(times, found, wrong, wanted)


async def measured(made: Environment, messages: int, asked: int) -> list[str]:
    *askers, often, rarely = made.group(len(ASKERS) + 2, "Search").people
    database = await asyncpg.connect(**connect_arguments(made.database_url))
    began = time.perf_counter()
    await fill(database, messages, [each.id for each in askers], [often.id, rarely.id])
    print(f"{messages:,} messages in {time.perf_counter() - began:.0f} s", flush=True)
    size = "select pg_size_pretty(pg_relation_size('chat_message_search_idx')), pg_size_pretty(pg_table_size('chat_message'))"
    print("index {}, table {}".format(*await database.fetchrow(size)), flush=True)
    cut = await needles(database, asked)
    rows, answers = [HEAD], list[Asked]()
    for narrowed in (None, rarely.id):
        for share, asker in zip(ASKERS, askers, strict=True):
            answers.append(await asked_by(made, database, asker, cut, narrowed))
            shares = statistics.quantiles(answers[-1].times, n=100)
            median, p95, p99 = (f"{shares[n - 1] * 1e3:.0f} ms" for n in (50, 95, 99))
            name = f"{share:.0%}" + ("" if narrowed is None else f", from a sender of every {RARELY}th")
            rows.append(f"| {name} | {len(cut)} | {median} | {p95} | 100 ms | {p99} |")
    await database.close()
    found, wrong = sum(each.found for each in answers), sum(each.wrong for each in answers)
    wanted = sum(each.wanted for each in answers)
    rows += ["", f"Recall {found / wanted:.4f} of {wanted:,} ({wrong} found that LIKE does not find)."]
    return rows


def search(made: Environment, messages: int, asked: int) -> Iterator[str]:
    yield from asyncio.run(measured(made, messages, asked))

"""Search over many messages in six scripts: `make bench ARGS="search --messages 1000000"`.

Words are made up, with the letters and the skewed frequencies of each script, so that needles are found from once to in every third
message. Needles are cut from messages at random, two to eight characters long, asked over HTTP one after the other, and each answer is
compared with what LIKE finds in every message that the asker may read.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

import asyncpg
import httpx

from bench.environment import Environment
from plaza.core.db.listener import connect_arguments

CONVERSATIONS, READ = 200, 150  # of which the asker takes part in so many
LENGTHS = (2, 3, 5, 8)
PAGE = 100  # for the comparison; what is timed is a page of the usual length, asked first

HEAD = "| characters | searches | median | p95 | aim | p99 |\n|---|---|---|---|---|---|"

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
select uuidv7((said.n - $3) * interval '1 second'), c.id, 2 + (said.n - c.n) / $4, $5, 'text', content, uuidv7(), 0, '{}',
  now() + (said.n - $3) * interval '1 second'
from said join rooms c on c.n = said.n % $4::int
order by said.n
"""


async def fill(database: asyncpg.Connection, messages: int, asker: str, sender: str) -> None:
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
    for person, rooms in ((sender, CONVERSATIONS), (asker, READ)):
        await database.execute(
            """insert into chat_participant (id, conversation_id, user_id, role, joined_at, last_read_seq, version)
            select uuidv7(), id, $1, 'member', now(), 0, 1 from rooms where n < $2""",
            person,
            rooms,
        )
    step = 50_000
    for first in range(1, messages + 1, step):
        last = min(first + step - 1, messages)
        await database.execute(MESSAGES, first, last, messages, CONVERSATIONS, sender)
    await database.execute("vacuum analyze chat_message")


ORACLE = """
select id from chat_message
where search like '%' || replace(replace(replace(chat_fold($1), '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'
  and type = 'text' and conversation_id in (select conversation_id from chat_participant where user_id = $2 and left_at is null)
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


async def measured(made: Environment, messages: int, asked: int) -> list[str]:
    group = made.group(2, "Search")
    asker, sender = group.people
    options = connect_arguments(made.database_url)
    database = await asyncpg.connect(**options)
    began = time.perf_counter()
    await fill(database, messages, asker.id, sender.id)
    print(f"{messages:,} messages in {time.perf_counter() - began:.0f} s", flush=True)
    size = "select pg_size_pretty(pg_relation_size('chat_message_search_idx')), pg_size_pretty(pg_table_size('chat_message'))"
    print("index {}, table {}".format(*await database.fetchrow(size)), flush=True)
    times: defaultdict[int, list[float]] = defaultdict(list)
    hits = wanted = wrong = 0
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{made.api_port}", headers={"Authorization": f"Bearer {asker.access_token}"}
    ) as http:
        for needle in await needles(database, asked):
            began = time.perf_counter()
            answer = await http.get("/api/v1/chat/messages/search", params={"q": needle}, timeout=60)
            times[len(needle)].append(time.perf_counter() - began)
            answer.raise_for_status()
            answer = await http.get("/api/v1/chat/messages/search", params={"q": needle, "limit": PAGE}, timeout=60)
            answer.raise_for_status()
            got = {each["id"] for each in answer.json()["items"]}
            right = {str(row["id"]) for row in await database.fetch(ORACLE, needle, asker.id)}
            hits, wrong = hits + len(got & right), wrong + len(got - right)
            wanted += min(PAGE, len(right))
    await database.close()
    rows = [HEAD]
    for name, taken in (*sorted(times.items()), ("all", [each for row in times.values() for each in row])):
        shares = statistics.quantiles(taken, n=100)
        median, p95, p99 = (f"{shares[n - 1] * 1e3:.0f} ms" for n in (50, 95, 99))
        rows.append(f"| {name} | {len(taken)} | {median} | {p95} | 100 ms | {p99} |")
    rows += ["", f"Recall {hits / wanted:.4f} of {wanted:,} ({wrong} found that LIKE does not find)."]
    return rows


def search(made: Environment, messages: int, asked: int) -> Iterator[str]:
    yield from asyncio.run(measured(made, messages, asked))

"""With a replica that is late, chat says and shows what is."""

from __future__ import annotations

import io
from uuid import uuid4

import asyncpg

from plaza.chat.schemas import Direction, NewContent, Span
from plaza.chat.schemas.search import SearchQuery
from plaza.chat.service.search import SearchService
from plaza.core.db import PageRequest
from plaza.core.db.listener import connect_arguments
from tests.chat.builders import Chat, code_of
from tests.chat.lines import entries, line, say
from tests.support.servers import TestServers
from tests.support.stage import KEPT_TABLES, SEEDED_TABLES, Stage


async def copy(source: str, target: str, context: str = "identity") -> None:
    there, here = [await asyncpg.connect(**connect_arguments(url)) for url in (source, target)]
    try:
        names = await there.fetch("select tablename from pg_tables where starts_with(tablename, $1 || '_')", context)
        filled = {row["tablename"] for row in names} - KEPT_TABLES - set(SEEDED_TABLES)
        named = "identity_user", "chat_conversation", "chat_message"  # by the others
        for name in sorted(filled, key=lambda each: (each not in named, each)):
            rows = io.BytesIO()
            await there.copy_from_table(name, output=rows, format="binary")
            rows.seek(0)
            await here.copy_to_table(name, source=rows, format="binary")
    finally:
        await there.close()
        await here.close()


async def test_chat_decides_and_shows_by_the_primary(servers: TestServers) -> None:
    primary, replica = [await servers.another_database(each) for each in ("ahead", "lagging")]
    async with Stage(primary, servers.redis_url, worker=False, PLAZA_DATABASE_REPLICA_URL=replica) as stage:
        chat = Chat(stage)
        ada, bob = await chat.people("Ada", "Bob")
        await copy(primary, replica)
        group, client_id = await chat.group(ada, bob), uuid4()
        said = await chat.say(ada, group, "once", client_id=client_id)
        assert (await chat.say(ada, group, "once", client_id=client_id)).id == said.id
        (await chat.editing.edit(ada, group, said.id, NewContent(content="better"))).unwrap()
        assert (await chat.history(bob, group))[-1].content == "better"
        assert (await chat.view(bob, group)).last_message.content == "better"  # type: ignore[union-attr] # there is one
        assert await chat.unread(bob) == {group: (1, 0)}
        async with line(stage, bob) as socket:
            await say(socket, group, "live")
            await socket.next("message.new")
            await chat.say(ada, group, "and so on")
            await socket.next("message.new", seq=5)
            assert entries(socket) == [4, 5]
        await chat.remove(ada, group, bob)
        page = await chat.messages.page(bob, group, Span(Direction.NEWER, 0), PageRequest(limit=10))
        assert code_of(page) == "NOT_PARTICIPANT"
        assert code_of(await chat.messages.events(bob, group, 0, PageRequest(limit=10))) == "NOT_PARTICIPANT"
        stage.raise_internal_errors()


async def test_a_search_shows_nothing_that_is_over(servers: TestServers) -> None:
    primary, replica = [await servers.another_database(each) for each in ("searched", "searched_late")]
    async with Stage(primary, servers.redis_url, worker=False, PLAZA_DATABASE_REPLICA_URL=replica) as stage:
        chat = Chat(stage)
        ada, bob = await chat.people("Ada", "Bob")
        group, closed = await chat.group(ada, bob), await chat.group(ada, bob)
        said = [await chat.say(ada, group, f"walrus {n}") for n in range(4)]
        await chat.say(ada, closed, "the walrus of a group that goes")
        for context in ("identity", "chat"):
            await copy(primary, replica, context)

        async def found(limit: int) -> list[str]:
            texts, page = list[str](), PageRequest(limit=limit)
            while True:
                answer = (await stage[SearchService].search(bob, SearchQuery(text="walrus"), page)).unwrap()
                texts += [each.content for each in answer.items]
                if answer.next_cursor is None:
                    return texts
                page = PageRequest(limit=limit, cursor=answer.next_cursor)

        assert len(await found(10)) == 5
        (await chat.edit(ada, said[0], "a walrus and more")).unwrap()
        (await chat.edit(ada, said[1], "a carpenter")).unwrap()
        (await chat.delete(ada, said[2])).unwrap()
        (await chat.conversations.delete(ada, closed)).unwrap()
        assert await found(10) == await found(1) == ["walrus 3", "a walrus and more"]
        await chat.remove(ada, group, bob)
        assert await found(10) == []
        stage.raise_internal_errors()

"""With a replica that has heard of no conversation yet, chat says and shows what is."""

from __future__ import annotations

import io
from uuid import uuid4

import asyncpg

from plaza.chat.schemas import Direction, NewContent, Span
from plaza.core.db import PageRequest
from plaza.core.db.listener import connect_arguments
from tests.chat.builders import Chat, code_of
from tests.chat.lines import entries, line, say
from tests.support.servers import TestServers
from tests.support.stage import KEPT_TABLES, SEEDED_TABLES, Stage


async def copy_accounts(source: str, target: str) -> None:
    there, here = [await asyncpg.connect(**connect_arguments(url)) for url in (source, target)]
    try:
        names = await there.fetch("select tablename from pg_tables where tablename like 'identity_%'")
        filled = {row["tablename"] for row in names} - KEPT_TABLES - set(SEEDED_TABLES)
        for name in sorted(filled, key=lambda each: each != "identity_user"):  # all that people have names them
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
        await copy_accounts(primary, replica)
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

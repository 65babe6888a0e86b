"""Two API processes over one database and one Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from plaza.core.realtime import Hub
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService
from tests.chat.builders import Chat
from tests.chat.lines import dialled, entries, line, say, settled, signed_in, ticket_of
from tests.support.outside import PATIENCE_S, Socket
from tests.support.servers import TestServers
from tests.support.stage import Stage


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)


@pytest.fixture
async def other(plaza: Stage, servers: TestServers) -> AsyncIterator[Stage]:
    """The second process."""
    async with Stage(servers.database_url, servers.redis_url, worker=False) as stage:
        yield stage


async def test_what_one_process_commits_the_sockets_of_the_other_hear(plaza: Stage, other: Stage, chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    team = await chat.group(ada, bob)
    async with line(plaza, ada) as adas, line(other, bob) as bobs, line(other, eve) as eves:
        for n in range(40):
            await say(adas if n % 2 else bobs, team, f"{n}")
        await chat.add(ada, team, eve)
        for socket in (adas, bobs):
            while 42 not in entries(socket):
                await socket.next("message.new")
            assert entries(socket) == list(range(2, 43))
        await adas.send("typing", conversation_id=str(team), is_typing=True)
        assert (await bobs.next("typing"))["user_id"] == str(ada.user_id)
        assert (await eves.next("message.new"))["message"]["system"]["event"] == "participant_added"
        await chat.remove(ada, team, eve)
        await chat.say(ada, team, "without eve")
        while 44 not in entries(bobs):
            await bobs.next("message.new")
        frames = [frame for frame in await settled(eves) if frame.get("conversation_id") == str(team)]
        assert (frames[-1]["type"], frames[-1].get("role")) == ("participant.changed", None)
        assert 44 not in entries(eves)


async def test_a_deletion_of_which_the_other_process_was_not_told_ends_there_too(
    plaza: Stage, other: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    team, elsewhere = await chat.group(ada, bob), await chat.group(ada, bob)
    async with line(other, bob) as bobs, line(other, bob, f"/ws/chat/{team}") as narrow:
        with monkeypatch.context() as lost:
            lost.setattr(other[Hub].bus, "_unpack", lambda _: None)
            (await chat.conversations.delete(ada, team)).unwrap()
            assert (await narrow.closed())[0] == 4004
            await bobs.next("participant.changed", conversation_id=str(team), user_id=str(bob.user_id), role=None)
        await plaza[Hub].to_topic(team, b'{"type":"typing","conversation_id":"%s"}' % str(team).encode())
        await chat.say(ada, elsewhere)
        await bobs.next("message.new", conversation_id=str(elsewhere), seq=2)
        of_it = [frame["type"] for frame in bobs.seen if frame.get("conversation_id") == str(team)]
        assert of_it == ["participant.changed"]


async def test_a_session_that_ends_in_one_process_closes_its_sockets_in_the_other(
    plaza: Stage, other: Stage, chat: Chat
) -> None:
    (ada,) = await chat.people("Ada")
    actor, _ = await signed_in(plaza, ada)
    async with dialled(other, f"/ws?ticket={await ticket_of(plaza, actor)}") as connection:
        socket = Socket(connection)
        await socket.next("ready")
        assert actor.session_id is not None
        (await plaza[SessionService].end(actor, SessionId(actor.session_id))).unwrap()
        assert (await socket.closed())[0] == 4401


async def test_ten_sockets_are_ten_in_all_processes_together(plaza: Stage, other: Stage, chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(line(plaza if n % 2 else other, ada)) for n in range(11)]
        assert (await opened[0].closed())[0] == 4009
        for socket in opened[1:]:
            await settled(socket)


async def test_presence_is_told_across_processes(plaza: Stage, other: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    await chat.direct(ada, bob)
    async with line(plaza, ada) as adas:
        ref = await adas.send("presence.watch", user_ids=[str(bob.user_id)])
        await adas.next("ack", ref=ref)
        async with line(other, bob):
            assert (await adas.next("presence.changed"))["status"] == "online"
        assert (await adas.next("presence.changed"))["status"] == "offline"


async def test_a_process_that_stops_sends_its_sockets_elsewhere_and_answers_what_it_took(
    plaza: Stage, servers: TestServers, chat: Chat
) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    stopping = Stage(servers.database_url, servers.redis_url, worker=False)
    await stopping.__aenter__()
    async with line(stopping, ada) as adas, line(plaza, bob) as bobs:
        refs = {await say(adas, talk, f"{n}") for n in range(20)}
        while not stopping[Hub]._sockets or len(entries(bobs)) < 1:
            await bobs.next("message.new")
        stop = asyncio.create_task(stopping.__aexit__(None, None, None))
        code, reason = await adas.closed()
        assert (code, reason.partition("=")[0]) == (1012, "retry_ms")
        assert 0 <= int(reason.partition("=")[2]) <= 5_000
        await asyncio.wait_for(stop, PATIENCE_S)
        acked = {frame["ref"] for frame in adas.seen if frame["type"] == "ack"}
        assert acked <= refs
        history = await chat.history(bob, talk)
        assert len(history) == len(acked), "what was committed was acked, and nothing else"
        async with line(plaza, ada) as back:
            ref = await back.send("subscribe", conversations=[{"id": str(talk), "after_seq": 0}])
            await back.next("subscribed", ref=ref)
            assert [each["seq"] for each in await back.messages(len(history))] == list(range(1, len(history) + 1))


async def test_a_reader_that_does_not_read_is_closed_and_resumes(plaza: Stage, chat: Chat) -> None:
    """Over a real line: what the kernels and the server's own buffer hold comes first, then the code."""
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, bob, max_queue=1) as slow, line(plaza, ada) as adas:
        sent = 0
        (socket,) = plaza[Hub].topics.sockets_of[bob.user_id]
        while not socket.is_closing:
            refs = [await say(adas, talk, "x" * 9_000) for _ in range(20)]
            sent += len(refs)
            for ref in refs:
                while not any(frame.get("ref") == ref for frame in adas.seen):
                    await adas.next("ack")
        assert (await slow.closed())[0] == 4008
        heard = entries(slow)
        assert heard == list(range(1, len(heard) + 1))
        assert len(heard) < sent
        async with line(plaza, bob) as back:
            ref = await back.send("subscribe", conversations=[{"id": str(talk), "after_seq": heard[-1]}])
            await back.next("subscribed", ref=ref)
            rest = [each["seq"] for each in await back.messages(sent - len(heard))]
            assert rest == list(range(len(heard) + 1, sent + 1))

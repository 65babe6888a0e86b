"""Server-sent events: the frames of sockets, resumed by the last id without a gap or a repetition."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from plaza.chat.controllers import stream as controller
from plaza.core.errors import InvalidCursor
from plaza.core.realtime import EventStream, Frame, Hub, Positions, RealtimeSettings, Socket
from plaza.identity import SessionService
from tests.chat.builders import Chat
from tests.chat.lines import line, signed_in
from tests.support.outside import PATIENCE_S
from tests.support.stage import Stage
from tests.support.waiting import eventually

PATH = "/api/v1/chat/stream"


@dataclass
class Stream:
    """A client's end of it."""

    lines: AsyncIterator[str]
    last_id: str | None = None
    retry: int | None = None
    beats: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def event(self) -> tuple[str, dict[str, Any]] | None:
        """None at the end."""
        name, data = "message", None
        async with asyncio.timeout(PATIENCE_S):
            async for each in self.lines:
                kind, _, value = each.partition(": ")
                match kind:
                    case "id":
                        self.last_id = value
                    case "event":
                        name = value
                    case "data":
                        data = json.loads(value)
                    case "retry":
                        self.retry = int(value)
                    case ":":
                        self.beats += 1
                    case "" if data is not None:
                        return name, data
        return None

    async def next(self, type: str, **fields: Any) -> dict[str, Any]:
        while (event := await self.event()) is not None:
            name, frame = event
            assert name == "message", frame
            self.seen.append(frame)
            if frame["type"] == type and all(frame.get(key) == value for key, value in fields.items()):
                return frame
        raise AssertionError(f"the stream ended before {type}")

    async def closed(self) -> dict[str, Any]:
        """What the event before the end says."""
        told: dict[str, Any] = {}
        while (event := await self.event()) is not None:
            if event[0] == "close":
                told = event[1]
        return told

    def logged(self, conversation: UUID) -> list[int]:
        return [each["seq"] for each in self.seen if "seq" in each and each["conversation_id"] == str(conversation)]


@asynccontextmanager
async def streaming(http: httpx.AsyncClient, last_id: str | None = None) -> AsyncIterator[Stream]:
    """Open and ready."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    async with http.stream("GET", PATH, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        stream = Stream(answer.aiter_lines())
        await stream.next("ready")
        yield stream


async def test_frames_of_all_conversations_come_with_an_id(chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    one, two = await chat.direct(ada, bob), await chat.group(ada, eve)
    async with streaming(await chat.http(ada)) as stream:
        ids = {stream.last_id}
        said = await chat.say(bob, one, "hi\nthere")
        frame = await stream.next("message.new")
        assert (frame["message"]["content"], frame["seq"]) == ("hi\nthere", said.seq)
        ids.add(stream.last_id)
        other = await chat.say(eve, two)
        await stream.next("message.new", conversation_id=str(two), seq=other.seq)
        ids.add(stream.last_id)
        assert len(ids) == 3
        assert None not in ids
        await chat.read(bob, one, said.seq)
        await stream.next("read.updated")
        assert stream.last_id in ids, "what has no seq has no id"


async def test_what_was_missed_comes_once_and_in_order(chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    one, quiet = await chat.direct(ada, bob), await chat.group(ada, eve)
    http = await chat.http(ada)
    async with streaming(http) as stream:
        await chat.say(bob, one, "1")
        await stream.next("message.new")
    missed = [await chat.say(bob, one, str(n)) for n in range(2, 30)]
    (await chat.delete(bob, missed[3])).unwrap()
    old = await chat.group(bob, eve)
    before = await chat.say(bob, old, "before Ada came")
    await chat.add(bob, old, ada)
    fresh = await chat.group(eve, ada)
    again = stream.last_id
    for _ in range(2):
        async with streaming(http, again) as resumed:
            last = await chat.say(bob, one, "live")
            await resumed.next("message.new", conversation_id=str(one), seq=last.seq)
            for conversation, who in ((old, bob), (fresh, eve)):
                end = await chat.say(who, conversation, "end")
                await resumed.next("message.new", conversation_id=str(conversation), seq=end.seq)
                first = before.seq + 1 if conversation == old else 1
                assert resumed.logged(conversation) == list(range(first, end.seq + 1))
            assert resumed.logged(one) == list(range(2, last.seq + 1))
            assert resumed.logged(quiet) == []
    async with streaming(http, resumed.last_id) as nothing:
        last = await chat.say(eve, quiet)
        await nothing.next("message.new", conversation_id=str(quiet))
        assert nothing.logged(quiet) == [last.seq]
        assert nothing.logged(one) == nothing.logged(old) == nothing.logged(fresh) == []


async def test_what_is_said_while_it_resumes_is_neither_lost_nor_doubled(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    http = await chat.http(ada)
    async with streaming(http) as stream:
        pass
    for n in range(300):
        await chat.say(bob, talk, str(n))
    stop = asyncio.Event()

    async def chatter() -> None:
        while not stop.is_set():
            await chat.say(bob, talk, "more")

    talking = asyncio.create_task(chatter())
    try:
        for _ in range(3):
            async with streaming(http, stream.last_id) as resumed:
                while len(resumed.logged(talk)) < 350:
                    await resumed.next("message.new")
                seqs = resumed.logged(talk)
                assert seqs == list(range(1, len(seqs) + 1))
    finally:
        stop.set()
        await talking


async def test_whoever_was_removed_learns_it_and_nothing_else(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk, gone = await chat.group(ada, bob), await chat.group(ada, bob)
    http = await chat.http(bob)
    async with streaming(http) as stream:
        await chat.remove(ada, talk, bob)
        last = await stream.next("participant.changed", user_id=str(bob.user_id))
        assert (last["conversation_id"], last["role"]) == (str(talk), None)
        await chat.say(ada, talk, "without Bob")
    await chat.remove(ada, gone, bob)
    async with streaming(http, stream.last_id) as resumed:
        other = await chat.direct(ada, bob)
        await chat.say(ada, other, "still friends")
        await resumed.next("message.new", conversation_id=str(other))
        told = [each for each in resumed.seen if each.get("conversation_id") in (str(talk), str(gone))]
        assert {each["type"] for each in told} == {"participant.changed"}
        assert {(each["conversation_id"], each["role"]) for each in told} >= {(str(gone), None)}


async def test_it_ends_with_its_session(chat: Chat, plaza: Stage) -> None:
    (ada,) = await chat.people("Ada")
    actor, token = await signed_in(plaza, ada)
    async with streaming(plaza.client(token)) as stream:
        (await plaza[SessionService].logout_all(actor)).unwrap()
        assert (await stream.closed())["code"] == 4401


async def test_it_counts_with_the_sockets(chat: Chat, plaza: Stage) -> None:
    (ada,) = await chat.people("Ada")
    async with streaming(await chat.http(ada)) as oldest, AsyncExitStack() as stack:
        for _ in range(plaza.runtime.hub.settings.sockets_per_user):
            await stack.enter_async_context(line(plaza, ada))
        assert (await oldest.closed())["code"] == 4009


async def test_what_it_took_is_delivered(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with streaming(await chat.http(bob)):
        said = await chat.say(ada, talk)

        async def is_delivered() -> object:
            async with plaza.runtime.db.engine.connect() as connection:
                marker = text("select last_delivered_seq from chat_participant where user_id = :user")
                return await connection.scalar(marker, {"user": bob.user_id}) == said.seq

        await eventually(is_delivered)


async def test_silence_is_broken_by_comments(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "HEARTBEAT_S", 0.05)
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with streaming(await chat.http(ada)) as stream:
        async with asyncio.timeout(PATIENCE_S):
            async for each in stream.lines:
                if each == ":":
                    break
        await chat.say(bob, talk)
        await stream.next("message.new")


async def test_only_people_may_listen_and_only_with_ids_of_streams(chat: Chat, plaza: Stage) -> None:
    (ada,) = await chat.people("Ada")
    assert (await plaza.client().get(PATH)).status_code == 401
    http = await chat.http(ada)
    for made_up in (b"%%%", b"AAAA", b"1234", b"\xe9t\xe9", b"A" * 4000 + b"!"):
        answer = await http.get(PATH, headers={b"Last-Event-ID": made_up})
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_CURSOR"), made_up


async def test_an_id_opens_nothing(chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    secret = await chat.group(ada, bob)
    await chat.say(ada, secret, "secret")
    stolen = Positions({secret: 0}).written().decode()
    mine = await chat.direct(eve, ada)
    async with streaming(await chat.http(eve), stolen) as stream:
        await chat.say(ada, mine)
        await stream.next("message.new", conversation_id=str(mine))
        assert stream.logged(secret) == []


async def test_an_id_takes_nobody_past_his_removal(chat: Chat, plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """He is removed after his conversations were read and before the stream is open."""
    ada, bob = await chat.people("Ada", "Bob")
    talk, other = await chat.group(ada, bob), await chat.direct(ada, bob)
    made_up = Positions({talk: 2**47, other: 2**47}).written().decode()
    hub = plaza[Hub]
    opening = hub.open

    async def open_late(socket: Socket, ready: bytes) -> None:
        await chat.remove(ada, talk, bob)
        await opening(socket, ready)

    async with line(plaza, ada) as hers:
        monkeypatch.setattr(hub, "open", open_late)
        async with streaming(await chat.http(bob), made_up) as stream:
            await hers.heard("participant.changed", user_id=str(bob.user_id))
            said = await chat.say(ada, talk, "without Bob")
            await chat.say(ada, other, "still friends")
            await stream.next("message.new", conversation_id=str(other))
            assert said.seq not in stream.logged(talk)
            assert stream.last_id is not None
            assert Positions.read(stream.last_id)[talk] < said.seq


async def test_a_slow_reader_is_closed(chat: Chat) -> None:
    (ada,) = await chat.people("Ada")
    taken: list[dict[str, Any]] = []
    stalled, gone = asyncio.Event(), asyncio.Event()

    async def send(event: dict[str, Any]) -> None:
        taken.append(event)
        if len(taken) == 1:
            await stalled.wait()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    stream = EventStream(
        receive, send, RealtimeSettings(queue_frames=10), user_id=ada.user_id, session_id=None, positions={}
    )
    serving = asyncio.create_task(stream.serve(lambda _: None))
    stream.begin()
    for n in range(20):
        stream.push(Frame(b'{"n":%d}' % n))
        await asyncio.sleep(0)
    assert stream.is_closing
    stalled.set()
    async with asyncio.timeout(PATIENCE_S):
        while taken[-1].get("more_body", True):
            await asyncio.sleep(0)
    assert b'"code":4008' in taken[-1]["body"]
    assert len(taken) <= 12
    gone.set()
    await serving


@given(st.dictionaries(st.uuids(), st.integers(0, 2**48 - 1), max_size=30))
def test_ids_hold_every_position(seqs: dict[UUID, int]) -> None:
    positions = Positions(seqs)
    assert Positions.read(positions.written().decode()) == seqs
    for topic in seqs:
        positions.move(topic, 7)
    positions.move(extra := uuid4(), 1)
    assert Positions.read(positions.written().decode()) == dict.fromkeys(seqs, 7) | {extra: 1}


@given(st.text())
def test_what_is_no_id_is_refused(written: str) -> None:
    try:
        found = Positions.read(written)
    except InvalidCursor:
        return
    assert all(isinstance(each, UUID) for each in found)

"""What a line promises, over the real API with a wire between that fails."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
import pytest

from plaza.chat.frames import MessageNew as MessageNewFrame
from plaza.chat.schemas import MessageBody
from plaza.client import Down, Plaza, Unknown, Up
from plaza.client.dialling import Dialling
from plaza.client.errors import LineClosed, SessionOver
from plaza.client.frames import Close, MessageNew, ParticipantChanged, PresenceChanged, TypingChanged
from plaza.core.ratelimit import RateLimits, RateLimitSettings
from plaza.core.realtime import Close as ServerClose
from plaza.core.realtime import Hub
from tests.client.somebody import Meet, Somebody
from tests.support.listening import next_of, seqs, up_to
from tests.support.outside import PASSWORD, PATIENCE_S, sign_up
from tests.support.stage import Stage
from tests.support.waiting import eventually
from tests.support.wire import Wire

EVERY_FRAME = {
    *("MessageNew", "MessageUpdated", "MessageDeleted", "ReactionChanged", "PinChanged", "ConversationUpdated"),
    *(
        "ParticipantChanged",
        "ReadUpdated",
        "DeliveredUpdated",
        "UnreadChanged",
        "TypingChanged",
        "PresenceChanged",
        "Sync",
    ),
}


@pytest.fixture
async def group(ada: Somebody, grace: Somebody) -> UUID:
    return (await ada.plaza.conversations.create_group("Engines", [grace.id])).id


async def say(who: Somebody, group: UUID, count: int) -> int:
    """Answers the last seq."""
    return [await who.plaza.messages.send(group, f"wheel {n}") for n in range(count)][-1].seq


def close(stage: Stage, user: Somebody, code: ServerClose, reason: str = "") -> None:
    for socket in tuple(stage[Hub].topics.sockets_of[user.id]):
        socket.close(code, reason)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
async def test_across_cuts_every_entry_comes_once_and_in_order(
    ada: Somebody, grace: Somebody, group: UUID, wire: Wire, binary: bool
) -> None:
    first = await say(ada, group, 3)
    async with grace.plaza.line(after={group: 0}, binary=binary) as line:
        heard = await up_to(line, group, first)
        for _ in range(3):
            wire.cut()
            heard += await up_to(line, group, await say(ada, group, 5))
    assert seqs(heard, group) == list(range(1, first + 16))
    assert [type(each) for each in heard if isinstance(each, Up | Down)] == [Up] + [Down, Up] * 3
    assert line.positions == {group: first + 15}


async def test_a_reader_resumes_with_the_positions_that_it_kept(ada: Somebody, grace: Somebody, group: UUID) -> None:
    async with grace.plaza.line() as line:
        began = line.positions[group]
    missed = await say(ada, group, 3)
    async with grace.plaza.line(after={str(group): began}) as line:
        assert seqs(await up_to(line, group, missed), group) == list(range(began + 1, missed + 1))


async def test_what_is_sent_meanwhile_is_committed_once(
    ada: Somebody, grace: Somebody, group: UUID, wire: Wire
) -> None:
    async with grace.plaza.line() as line:
        sending = [asyncio.create_task(line.send(group, f"{n}")) for n in range(20)]
        await next_of(line, MessageNew)
        wire.cut()
        sending += [asyncio.create_task(line.send(group, f"{n}")) for n in range(20, 30)]
        sent = await asyncio.gather(*sending)
    stored = [each async for each in ada.plaza.messages.after(group) if each.type == "text"]
    assert {each.id for each in sent} == {each.id for each in stored}
    assert len(stored) == 30


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ServerClose.SLOW_READER, "resume"),
        (ServerClose.RESTART, "retry_ms=10"),
        (ServerClose.UNAUTHENTICATED, "TOKEN_STALE"),
    ],
)
async def test_it_comes_back_where_it_is_told_to(
    plaza: Stage, ada: Somebody, grace: Somebody, group: UUID, code: ServerClose, reason: str
) -> None:
    async with grace.plaza.line() as line:
        began = line.positions[group]
        close(plaza, grace, code, reason)
        last = await say(ada, group, 5)
        heard = await up_to(line, group, last)
    assert Down(code, reason) in heard
    assert seqs(heard, group) == list(range(began + 1, last + 1))


async def test_after_too_many_frames_it_comes_back_once_they_are_forgotten(
    plaza: Stage, ada: Somebody, grace: Somebody, group: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is 300 in 10 s: a pause shorter than that would end in the next close."""
    limits, is_off = plaza[RateLimits], plaza[RateLimits].settings
    monkeypatch.setattr(limits, "settings", RateLimitSettings())
    pauses = []

    async def pause_after(dialling: Dialling, end: Down) -> float:
        pauses.append(await obeyed(dialling, end))
        monkeypatch.setattr(limits, "settings", is_off)  # as if it had waited
        return 0

    obeyed = Dialling.pause_after
    monkeypatch.setattr(Dialling, "pause_after", pause_after)
    async with grace.plaza.line() as line:
        began = line.positions[group]
        for n in range(2 * 300 + 1):  # the window may turn once meanwhile
            await line.typing(group, is_typing=n % 2 == 0)
        last = await say(ada, group, 5)
        heard = await up_to(line, group, last)
    assert [each.code for each in heard if isinstance(each, Down)] == [ServerClose.FLOOD]
    assert len(pauses) == 1
    assert 10 < pauses[0] < 11, "and a moment of chance"
    assert seqs(heard, group) == list(range(began + 1, last + 1))


@pytest.mark.parametrize("code", [ServerClose.TOO_MANY_SOCKETS, ServerClose.MALFORMED, ServerClose.NOT_ADMITTED])
async def test_it_does_not_come_back_where_it_is_not_wanted(plaza: Stage, grace: Somebody, code: ServerClose) -> None:
    async with grace.plaza.line() as line:
        close(plaza, grace, code, "enough")
        with pytest.raises(LineClosed) as closed:
            await next_of(line, MessageNew)
        assert (closed.value.code, closed.value.status, closed.value.detail) == (code.name, code, "enough")
        with pytest.raises(LineClosed):
            await line.send(grace.id, "is anybody there?")


async def test_an_ended_session_ends_the_line_and_what_waits(plaza: Stage, wire: Wire) -> None:
    await sign_up(plaza.client(), "joan@example.com")
    async with Plaza(wire.base_url) as joan:
        await joan.log_in("joan@example.com", PASSWORD)
        async with joan.line() as line:
            wire.kill_silently()
            waiting = asyncio.create_task(line.send(UUID(int=1), "hello?"))
            async with Plaza(plaza.base_url, tokens=joan.tokens) as elsewhere:
                await elsewhere.log_out()
            wire.cut()
            with pytest.raises(SessionOver):
                await next_of(line, MessageNew)
            with pytest.raises(SessionOver):
                await waiting


async def test_a_token_that_is_no_good_opens_no_line(plaza: Stage) -> None:
    async with Plaza(plaza.base_url, access_token="made up") as nobody:
        with pytest.raises(SessionOver):
            await nobody.line().__aenter__()


async def test_a_dead_line_is_noticed(ada: Somebody, grace: Somebody, group: UUID, wire: Wire) -> None:
    async with grace.plaza.line(heartbeat_s=0.2) as line:
        wire.kill_silently()
        await next_of(line, Down)
        last = await say(ada, group, 2)
        assert seqs(await up_to(line, group, last), group) == [last - 1, last]


async def test_a_gap_is_closed_by_the_log_and_a_twin_is_dropped(
    plaza: Stage, ada: Somebody, grace: Somebody, group: UUID
) -> None:
    async with grace.plaza.line() as line:
        seq = await say(ada, group, 1)
        (message,) = [event for event in await up_to(line, group, seq) if isinstance(event, MessageNew)]
        body = msgspec.convert(msgspec.to_builtins(message.message), MessageBody)
        for false in (seq, seq + 7):
            frame = MessageNewFrame(conversation_id=body.conversation_id, seq=false, message=body)
            await plaza[Hub].to_topic(group, msgspec.json.encode(frame))
        await next_of(line, Down)
        last = await say(ada, group, 2)
        assert seqs(await up_to(line, group, last), group) == [last - 1, last]


async def test_frames_of_types_to_come_are_handed_out(plaza: Stage, grace: Somebody) -> None:
    frame = {"type": "notification.new", "title": "Tea is ready"}
    async with grace.plaza.line() as line:
        await plaza[Hub].to_users([grace.id], msgspec.json.encode(frame))
        assert await next_of(line, Unknown) == Unknown(type="notification.new", frame=frame)
        assert line.is_up


async def test_what_was_joined_and_lost_while_it_was_down_is_told(
    ada: Somebody, grace: Somebody, group: UUID, wire: Wire
) -> None:
    async with grace.plaza.line() as line:
        wire.is_open = False
        wire.cut()
        await next_of(line, Down)
        await ada.plaza.participants.remove(group, grace.id)
        joined = (await ada.plaza.conversations.create_group("Looms", [grace.id])).id
        last = await say(ada, joined, 2)
        wire.is_open = True
        heard = await up_to(line, joined, last)
        if not (gone := [each for each in heard if isinstance(each, ParticipantChanged)]):
            gone = [await next_of(line, ParticipantChanged)]
    assert seqs(heard, joined) == list(range(1, last + 1))
    assert ParticipantChanged(conversation_id=group, user_id=grace.id, role=None) in gone


async def test_one_that_follows_some_conversations_hears_nothing_of_others(
    ada: Somebody, grace: Somebody, group: UUID
) -> None:
    other = (await ada.plaza.conversations.create_group("Looms", [grace.id])).id
    async with grace.plaza.line(after={group: 0}, everything=False) as line:
        unheard = await say(ada, other, 1)
        heard = await up_to(line, group, await say(ada, group, 1))
        assert seqs(heard, other) == []
        line.follow(other, 0)
        assert seqs(await up_to(line, other, unheard), other) == list(range(1, unheard + 1))


async def test_a_full_buffer_stops_the_socket_but_no_answer(ada: Somebody, grace: Somebody, group: UUID) -> None:
    """The entries that are passed over meanwhile come later, in their places."""
    async with grace.plaza.line(buffer=5) as line:
        began = line.positions[group]
        await say(ada, group, 30)
        async with asyncio.timeout(PATIENCE_S):
            mine = await line.send(group, "let me in")
        last = await say(ada, group, 3)
        heard = await up_to(line, group, last)
    assert seqs(heard, group) == list(range(began + 1, last + 1))
    assert mine.id in [each.message.id for each in heard if isinstance(each, MessageNew)]


async def test_whom_it_watches_it_goes_on_watching(ada: Somebody, grace: Somebody, group: UUID, wire: Wire) -> None:
    async with grace.plaza.line() as line:
        await line.watch(ada.id)
        wire.cut()
        await next_of(line, Up)
        await next_of(line, Up)
        async with ada.plaza.line() as adas:
            while (await next_of(line, PresenceChanged)).status != "online":
                pass
            await adas.show_as("dnd")
            while (await next_of(line, PresenceChanged)).status != "dnd":
                pass


async def test_every_frame_is_as_the_document_says(ada: Somebody, grace: Somebody, group: UUID, meet: Meet) -> None:
    """One that was not would come as Unknown."""
    joan = await meet("joan")
    async with grace.plaza.line() as line, ada.plaza.line() as adas:
        await line.watch(ada.id)
        sent = await adas.send(group, "wheel")
        await ada.plaza.messages.edit(group, sent.id, "cog")
        await ada.plaza.messages.react(group, sent.id, "🦉")
        await ada.plaza.messages.pin(group, sent.id)
        await adas.typing(group)
        await adas.show_as("dnd")
        await adas.mark_read(group, sent.seq)
        await line.mark_read(group, sent.seq)
        await grace.plaza.outgoing.keep_draft(group, "and th")
        await ada.plaza.conversations.change(group, title="Looms", slow_mode_s=0)
        await ada.plaza.participants.add(group, joan.id)
        await ada.plaza.messages.delete(group, sent.id)
        last = await say(ada, group, 1)
        heard = await up_to(line, group, last)
        told = {type(each).__name__ for each in heard}
        while not told >= EVERY_FRAME:
            async with asyncio.timeout(PATIENCE_S):
                told.add(type(await anext(line)).__name__)
    assert told == EVERY_FRAME | {"Up"}


async def test_markers_and_typing_are_told(ada: Somebody, grace: Somebody, group: UUID) -> None:
    last = await say(ada, group, 1)
    async with grace.plaza.line() as line, ada.plaza.line() as adas:
        await line.mark_read(group, last)
        assert (await grace.plaza.conversations.unread()).unread == 0
        await line.typing(group)
        told = await next_of(adas, TypingChanged)
    assert (told.user_id, told.is_typing) == (grace.id, True)


async def test_what_was_said_too_fast_is_said_again_when_it_may_be(
    plaza: Stage, meet: Meet, ada: Somebody, group: UUID
) -> None:
    configured = plaza.configuration.plaza
    api = Stage(
        configured.database_url,
        configured.redis_url,
        worker=False,
        clock=plaza.clock,
        PLAZA_RATE_LIMIT_ENABLED="true",
        PLAZA_CHAT_FLOOD="3 per 2 second",
    )
    async with api:
        joan = await meet("joan", api.base_url)
        await ada.plaza.participants.add(group, joan.id)
        async with joan.plaza.line() as line:
            sent = await asyncio.gather(*(line.send(group, f"{n}") for n in range(7)))
    stored = {each.id async for each in ada.plaza.messages.after(group) if each.sender_id == joan.id}
    assert stored == {each.id for each in sent}


async def test_closing_it_ends_the_iteration_and_what_waits(grace: Somebody, wire: Wire) -> None:
    async with grace.plaza.line() as line:
        wire.kill_silently()
        waiting = asyncio.create_task(line.send(UUID(int=1), "hello?"))

        async def is_asked() -> bool:
            return bool(line._questions)

        await eventually(is_asked)
    with pytest.raises(LineClosed):
        await waiting
    assert [type(event) async for event in line] == [Up]


async def test_two_of_the_same_person_hear_the_same(ada: Somebody, grace: Somebody, group: UUID, meet: Meet) -> None:
    async with grace.plaza.line() as one, grace.plaza.line() as other:
        sent = await one.send(group, "from one of them")
        for line in (one, other):
            assert sent.id in [
                each.message.id for each in await up_to(line, group, sent.seq) if isinstance(each, MessageNew)
            ]


def test_close_codes_are_those_of_the_server() -> None:
    assert {each.name: int(each) for each in Close} == {each.name: int(each) for each in ServerClose}

from __future__ import annotations

from plaza.chat.schemas import ReadState, SeqMarker
from plaza.core.actor import Actor
from plaza.core.db import Database, PageRequest
from plaza.core.result import Success
from plaza.domain_events.chat import ConversationId
from tests.chat.builders import Chat
from tests.support.stage import Stage
from tests.support.statements import statements


async def read(chat: Chat, reader: Actor, id: ConversationId, seq: int) -> ReadState:
    return (await chat.reading.read(reader, id, SeqMarker(seq=seq))).unwrap()


async def test_unread_is_what_others_wrote_after_the_marker(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    for n in range(3):
        await chat.say(ada, id, f"{n}")
    await chat.say(grace, id, "mine")
    assert await chat.unread(grace) == {id: (3, 0)}, "sending moves no marker"
    assert await chat.unread(ada) == {id: (1, 0)}
    assert (await chat.view(grace, id)).my.unread == 3, "everything agrees"


async def test_the_marker_only_rises_and_stops_at_the_last_seq(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(3):
        await chat.say(ada, id, f"{n}")
    assert [(await read(chat, grace, id, seq)).last_read_seq for seq in (2, 1, -5, 2**70, 3)] == [2, 2, 2, 3, 3]
    await chat.say(ada, id, "more")
    assert await chat.unread(grace) == {id: (1, 0)}, "a marker never stands ahead of what was written"


async def test_unread_sets_the_marker_back(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(3):
        await chat.say(ada, id, f"<@{grace.user_id}> {n}")
    await chat.read(grace, id, 3)
    assert await chat.unread(grace) == {}
    state = (await chat.reading.mark_unread(grace, id, SeqMarker(seq=1))).unwrap()
    assert (state.last_read_seq, state.unread, state.mentions) == (1, 2, 2)
    assert (await chat.reading.mark_unread(grace, id, SeqMarker(seq=2))).unwrap().last_read_seq == 1, "it only falls"
    assert (await chat.reading.mark_unread(grace, id, SeqMarker(seq=-1))).unwrap().last_read_seq == 0
    assert await chat.unread(grace) == {id: (3, 3)}


async def test_markers_are_seen_by_the_others(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    await chat.say(ada, id)
    await chat.read(grace, id, 1)
    page = (await chat.participants.page(ada, id, PageRequest())).unwrap()
    assert {each.display_name: each.last_read_seq for each in page.items} == {"Ada": 0, "Grace": 1}


async def test_the_number_of_statements_does_not_grow(chat: Chat, plaza: Stage) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    for n in range(5):
        await chat.say(ada, await chat.group(ada, grace, title=f"{n}"))
    with statements(plaza[Database]) as sent:
        assert isinstance(await chat.reading.summary(grace), Success)
    assert len(sent) == 1, sent
    id = await chat.direct(ada, grace)
    await chat.say(ada, id)
    with statements(plaza[Database]) as sent:
        await chat.read(grace, id, 1)
    assert len(sent) == 2, sent

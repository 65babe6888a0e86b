"""Who has got a message: what was written to a socket is delivered, what the marker passed is read."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from plaza.chat import MessageView
from plaza.chat.schemas import SeqMarker
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.service import ReceiptService
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.deliveries import DeliveryService
from plaza.core.actor import Actor
from plaza.core.db import Database, PageRequest
from plaza.domain_events.chat import ConversationId, MessageId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, settled
from tests.support.stage import Stage
from tests.support.statements import statements


async def receipts(plaza: Stage, who: Actor, message: MessageView) -> Mapping[UUID, tuple[bool, bool]]:
    """By person: delivered, read."""
    page = await plaza[ReceiptService].page(who, message.conversation_id, message.id, PageRequest(limit=100))
    return {each.user_id: (each.delivered, each.read) for each in page.unwrap().items}


async def rows(plaza: Stage) -> list[tuple[int, int]]:
    """(delivered, read) of all participants."""
    async with plaza.runtime.db.engine.connect() as connection:
        found = await connection.execute(
            text("select last_delivered_seq, last_read_seq from chat_participant order by id")
        )
        return [(row[0], row[1]) for row in found]


async def test_what_reached_a_socket_is_delivered_and_what_was_read_is_both(chat: Chat, plaza: Stage) -> None:
    ada, bob, eve, dan = await chat.people("Ada", "Bob", "Eve", "Dan")
    talk = await chat.group(ada, bob, eve, dan)
    async with line(plaza, ada) as adas, line(plaza, bob) as bobs:
        said = await chat.say(ada, talk)
        frame = await adas.next("delivered.updated", user_id=str(bob.user_id))
        assert (frame["conversation_id"], frame["up_to"]) == (str(talk), said.seq)
        assert "seq" not in frame
        await bobs.next("delivered.updated", user_id=str(bob.user_id))
    await chat.read(eve, talk, said.seq)
    assert await receipts(plaza, dan, said) == {
        bob.user_id: (True, False),
        eve.user_id: (True, True),
        dan.user_id: (False, False),
    }


async def test_receipts_have_names_and_come_in_pages(chat: Chat) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    talk = await chat.group(ada, bob, eve)
    said = await chat.say(ada, talk)
    http = await chat.http(ada)
    path = f"/api/v1/chat/conversations/{talk}/messages/{said.id}/receipts"
    first = (await http.get(path, params={"limit": 1})).json()
    rest = (await http.get(path, params={"cursor": first["next_cursor"]})).json()
    assert rest["next_cursor"] is None
    assert {each["display_name"] for each in first["items"] + rest["items"]} == {"Bob", "Eve"}
    assert set(first["items"][0]) == {"user_id", "display_name", "avatar_url", "read", "delivered"}


async def test_former_participants_are_left_out_and_learn_nothing(chat: Chat, plaza: Stage) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    talk = await chat.group(ada, bob)
    said = await chat.say(ada, talk)
    await chat.remove(ada, talk, bob)
    assert await receipts(plaza, ada, said) == {}
    ask = plaza[ReceiptService].page
    assert code_of(await ask(bob, talk, said.id, PageRequest())) == "NOT_PARTICIPANT"
    assert code_of(await ask(eve, talk, said.id, PageRequest())) == "CONVERSATION_NOT_FOUND"
    assert code_of(await ask(ada, talk, MessageId(uuid4()), PageRequest())) == "MESSAGE_NOT_FOUND"


@pytest.mark.parametrize("blocker", [0, 1])
async def test_between_two_who_are_parted_no_marker_shows(chat: Chat, plaza: Stage, blocker: int) -> None:
    """As on the socket; in a group both go on."""
    people = ada, bob = await chat.people("Ada", "Bob")
    talk, group = await chat.direct(ada, bob), await chat.group(ada, bob)
    hers, his, theirs = await chat.say(ada, talk), await chat.say(bob, talk), await chat.say(ada, group)
    for who in people:
        await chat.read(who, talk, 2)
    await chat.read(bob, group, theirs.seq)

    async def markers(who: Actor, where: ConversationId) -> Mapping[UUID, int]:
        page = (await chat.participants.page(who, where, PageRequest())).unwrap()
        return {each.user_id: each.last_read_seq for each in page.items}

    open_ = await receipts(plaza, ada, hers), await receipts(plaza, bob, his), await markers(ada, talk)
    assert open_ == ({bob.user_id: (True, True)}, {ada.user_id: (True, True)}, {ada.user_id: 2, bob.user_id: 2})
    block = NewBlock(user_id=people[1 - blocker].user_id)
    (await plaza[BlockService].block(people[blocker], block)).unwrap()
    assert await receipts(plaza, ada, hers) == {bob.user_id: (False, False)}
    assert await receipts(plaza, bob, his) == {ada.user_id: (False, False)}
    assert await receipts(plaza, bob, hers) == {bob.user_id: (True, True)}, "one's own are seen"
    assert await markers(ada, talk) == {ada.user_id: 2, bob.user_id: 0}
    assert await markers(bob, talk) == {ada.user_id: 0, bob.user_id: 2}
    assert await receipts(plaza, ada, theirs) == {bob.user_id: (True, True)}
    assert (await markers(ada, group))[bob.user_id] == theirs.seq


async def test_delivered_only_rises_and_never_lies_below_read(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    for _ in range(5):
        await chat.say(ada, talk)
    settle = plaza[DeliveryService].settle
    (await settle({(talk, bob.user_id): 3})).unwrap()
    assert (3, 0) in await rows(plaza)
    (await settle({(talk, bob.user_id): 2})).unwrap()
    assert (3, 0) in await rows(plaza)
    await chat.read(bob, talk, 4)
    assert (4, 4) in await rows(plaza)
    (await chat.reading.mark_unread(bob, talk, SeqMarker(seq=1))).unwrap()
    assert (4, 1) in await rows(plaza)
    (await settle({(talk, bob.user_id): 2**62})).unwrap()
    assert (5, 1) in await rows(plaza), "no further than the log goes"


async def test_nothing_is_written_or_said_without_a_change(chat: Chat, plaza: Stage) -> None:
    ada, bob, eve = await chat.people("Ada", "Bob", "Eve")
    talk = await chat.group(ada, bob)
    said = await chat.say(ada, talk)
    await chat.read(bob, talk, said.seq)
    before = await rows(plaza)
    same = {
        (talk, bob.user_id): said.seq,
        (talk, eve.user_id): said.seq,
        (uuid4(), bob.user_id): 9,
    }
    with statements(plaza[Database]) as sent:  # while nobody is connected, for whom the hub would look around
        assert (await plaza[DeliveryService].settle(same)).unwrap() == []
    assert len(sent) == 1
    async with line(plaza, ada) as adas:
        assert (await plaza[DeliveryService].settle(same)).unwrap() == []
        assert not [frame for frame in await settled(adas) if frame["type"] == "delivered.updated"]
    assert await rows(plaza) == before


async def test_a_participant_who_is_just_being_changed_waits(chat: Chat, plaza: Stage) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    await chat.say(ada, talk)
    reached: dict[tuple[UUID, UUID], int] = {(talk, ada.user_id): 1, (talk, bob.user_id): 1}
    async with plaza.runtime.db.engine.begin() as other:
        await other.execute(
            text("select 1 from chat_participant where user_id = :user for update"), {"user": bob.user_id}
        )
        (waiting,) = (await plaza[DeliveryService].settle(reached)).unwrap()
        assert waiting.user_id == bob.user_id
    assert (await plaza[DeliveryService].settle({(talk, waiting.user_id): waiting.seq})).unwrap() == []
    assert await rows(plaza) == [(1, 0), (1, 0)]


async def test_in_a_large_group_nobody_is_told(chat: Chat, plaza: Stage) -> None:
    ada, *others = await chat.people("Ada", *(f"P{n}" for n in range(20)))
    talk = await chat.group(ada, *others)
    said = await chat.say(ada, talk)
    async with line(plaza, ada) as adas:
        (await plaza[DeliveryService].settle({(talk, others[0].user_id): said.seq})).unwrap()
        assert not [frame for frame in await settled(adas) if frame["type"] == "delivered.updated"]
    assert (await receipts(plaza, ada, said))[others[0].user_id] == (True, False)


async def test_what_gathers_is_bounded(plaza: Stage) -> None:
    service = DeliveryService(plaza[Database], plaza.runtime.hub, plaza[DeliveryService].settings)
    plaza.runtime.hub.on_written(plaza[DeliveryService].reached)
    talk = uuid4()
    for _ in range(service.WAITING + 5):
        service.reached(uuid4(), talk, 1)
    assert len(service._reached) == service.WAITING

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plaza.chat import MessageView
from plaza.chat.schemas import MAX_SEQ, Direction, Span
from plaza.core.actor import Actor
from plaza.core.db import Database, PageRequest
from plaza.domain_events.chat import ConversationId, MessageId
from tests.chat.builders import Chat, code_of
from tests.support.stage import Stage
from tests.support.statements import statements

NEWEST = Span(Direction.OLDER, MAX_SEQ)


@pytest.fixture
async def talk(chat: Chat) -> tuple[Actor, ConversationId]:
    """A direct conversation with the messages 1 to 9."""
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(1, 10):
        await chat.say(ada, id, f"{n}")
    return grace, id


@pytest.mark.parametrize(
    ("span", "limit", "seqs", "has_more"),
    [
        (NEWEST, 20, [9, 8, 7, 6, 5, 4, 3, 2, 1], False),
        (NEWEST, 9, [9, 8, 7, 6, 5, 4, 3, 2, 1], False),
        (NEWEST, 3, [9, 8, 7], True),
        (Span(Direction.OLDER, 3), 20, [2, 1], False),
        (Span(Direction.OLDER, 1), 20, [], False),
        (Span(Direction.NEWER, 0), 2, [1, 2], True),
        (Span(Direction.NEWER, 7), 2, [8, 9], False),
        (Span(Direction.NEWER, 9), 2, [], False),
        (Span(Direction.AROUND, 5), 1, [5], True),
        (Span(Direction.AROUND, 5), 4, [6, 5, 4, 3], True),
        (Span(Direction.AROUND, 5), 5, [7, 6, 5, 4, 3], True),
        (Span(Direction.AROUND, 9), 4, [9, 8, 7, 6], True),
        (Span(Direction.AROUND, 2), 4, [3, 2, 1], False),
        (Span(Direction.AROUND, 99), 3, [9, 8, 7], True),
        (Span(Direction.AROUND, 0), 3, [2, 1], False),
    ],
)
async def test_spans(
    chat: Chat, talk: tuple[Actor, ConversationId], span: Span, limit: int, seqs: list[int], has_more: bool
) -> None:
    page = await chat.page(*talk, span, PageRequest(limit=limit))
    assert [each.seq for each in page.items] == seqs
    assert (page.next_cursor is not None) == has_more


@pytest.mark.parametrize(
    ("span", "seqs"),
    [
        (NEWEST, [9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Span(Direction.NEWER, 2), [3, 4, 5, 6, 7, 8, 9]),
        (Span(Direction.AROUND, 6), [6, 5, 4, 3, 2, 1]),
    ],
)
async def test_cursors_go_on_where_the_page_ended(
    chat: Chat, talk: tuple[Actor, ConversationId], span: Span, seqs: list[int]
) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        page = await chat.page(*talk, span, PageRequest(limit=2, cursor=cursor))
        seen += [each.seq for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == seqs or (span.direction is Direction.AROUND and seen == [7, *seqs])


async def test_a_cursor_of_another_conversation_is_refused(chat: Chat, talk: tuple[Actor, ConversationId]) -> None:
    grace, id = talk
    cursor = (await chat.page(grace, id, NEWEST, PageRequest(limit=2))).next_cursor
    other = await chat.group(grace)
    for made_up in (cursor, "made up"):
        answer = await chat.messages.page(grace, other, NEWEST, PageRequest(cursor=made_up))
        assert code_of(answer) == "INVALID_CURSOR"


async def test_history_is_one_statement(chat: Chat, plaza: Stage, talk: tuple[Actor, ConversationId]) -> None:
    with statements(plaza[Database]) as sent:
        await chat.page(*talk, NEWEST, PageRequest(limit=50))
    assert len(sent) == 1, sent


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200))
async def test_postgresql_and_msgspec_spell_a_text_in_the_same_way(plaza: Stage, content: str) -> None:
    chat = Chat(plaza)
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    sent = await chat.say(ada, id, f"> {content}")
    page = (await chat.messages.page(ada, id, NEWEST, PageRequest())).unwrap()
    assert bytes(page) == b'{"items":[' + msgspec.json.encode(sent) + b'],"next_cursor":null}'


async def test_postgresql_and_msgspec_spell_every_field_in_the_same_way(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, title='Quote " and \\ slash')
    await chat.add(ada, id, grace)
    root = await chat.say(ada, id, f"<@{grace.user_id}>")
    await chat.say(grace, id, "reply", parent=root.id)
    page = await chat.page(ada, id, NEWEST, PageRequest())
    assert len(page.items) == 4
    for item in page.items:
        alone = (await chat.messages.get(ada, id, item.id)).unwrap()
        assert item == alone
    raw = msgspec.json.decode((await chat.messages.page(ada, id, NEWEST, PageRequest())).unwrap())
    assert raw["items"] == msgspec.json.decode(msgspec.json.encode(page.items))
    assert set(raw["items"][0]) == set(MessageView.__struct_fields__)
    assert len(raw["items"][0]["created_at"]) == len("2026-11-21T10:04:10.179990Z")


async def test_a_message_is_found_in_its_own_conversation_only(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id, other = await chat.direct(ada, grace), await chat.group(ada, grace)
    said = await chat.say(ada, id)
    assert (await chat.messages.get(grace, id, said.id)).unwrap() == said
    assert code_of(await chat.messages.get(grace, other, said.id)) == "MESSAGE_NOT_FOUND"
    assert code_of(await chat.messages.get(grace, id, MessageId(uuid4()))) == "MESSAGE_NOT_FOUND"

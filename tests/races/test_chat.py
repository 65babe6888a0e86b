"""Chat under real concurrency: several processes' worth of services on connections of their own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextvars import Context
from itertools import cycle
from uuid import uuid4

import pytest

from plaza.app.runtime import Runtime
from plaza.chat import Kind, MessageDraft, MessageService, NewConversation, SentMessage
from plaza.chat.schemas import NewOwner
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.result import ServiceResult
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.support.locks import until_somebody_waits
from tests.support.stage import Stage, configuration_for


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)


@pytest.fixture
async def senders(plaza: Stage, database_url: str, redis_url: str) -> AsyncIterator[list[MessageService]]:
    """Of four processes: each groups its own sends, none knows of the others."""
    configuration = configuration_for(database_url, redis_url)
    runtimes = [Runtime(configuration, "api", clock=plaza.clock) for _ in range(3)]
    yield [plaza[MessageService], *(each.parts[MessageService] for each in runtimes)]
    for each in runtimes:
        await each.db.close()
        await each.redis.aclose()


def draft(sender: Actor, conversation: ConversationId, content: str = "hello") -> MessageDraft:
    return MessageDraft(
        sender_id=UserId(sender.user_id), conversation_id=conversation, client_id=uuid4(), content=content
    )


async def test_twenty_at_once_make_one_direct_conversation(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")

    async def begin(n: int) -> tuple[ConversationId, bool]:
        one, other = (ada, grace) if n % 2 else (grace, ada)
        new = NewConversation(kind=Kind.DIRECT, member_ids=[other.user_id])
        made = (await chat.conversations.create(one, new)).unwrap()
        return made.conversation.id, made.is_new

    made = await asyncio.gather(*(begin(n) for n in range(20)))
    assert len({id for id, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1
    assert (await chat.view(ada, made[0][0])).participant_count == 2


async def test_reviving_and_leaving_at_once_keep_one_conversation_with_the_right_count(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    await chat.direct(ada, grace)

    async def disturb(n: int) -> None:
        id = await chat.direct(ada, grace)
        await chat.participants.leave((ada, grace)[n % 2], id)

    await asyncio.gather(*(disturb(n) for n in range(12)))
    id = await chat.direct(ada, grace)
    assert id == await chat.direct(grace, ada)
    assert (await chat.view(ada, id)).participant_count == len(await chat.roles(grace, id)) == 2


async def test_concurrent_sends_leave_no_gap_and_no_twin(chat: Chat, senders: list[MessageService]) -> None:
    people = await chat.people(*(f"P{n}" for n in range(8)))
    conversations = [await chat.group(people[0], *people[1:]) for _ in range(3)]
    drafts = [draft(people[n % 8], conversations[n % 3], f"{n}") for n in range(600)]
    results = await asyncio.gather(*(each.send(one) for each, one in zip(cycle(senders), drafts, strict=False)))
    assert all(each.unwrap().is_new for each in results)
    for number, conversation in enumerate(conversations):
        history = await chat.history(people[0], conversation)
        assert [each.seq for each in history] == list(range(1, 202))
        assert sorted(int(each.content) for each in history[1:]) == list(range(number, 600, 3))
        assert (await chat.view(people[0], conversation)).last_seq == 201


async def test_one_client_id_sent_at_once_everywhere_is_one_message(chat: Chat, senders: list[MessageService]) -> None:
    """From several processes, and into two conversations, whose locks do not meet."""
    ada, grace = await chat.people("Ada", "Grace")
    conversations = [await chat.group(ada, grace), await chat.direct(ada, grace)]
    for _ in range(10):
        client_id = uuid4()
        drafts = [
            MessageDraft(
                sender_id=UserId(ada.user_id), conversation_id=conversations[n % 2], client_id=client_id, content="once"
            )
            for n in range(20)
        ]
        results = await asyncio.gather(*(each.send(one) for each, one in zip(cycle(senders), drafts, strict=False)))
        assert len({each.unwrap().message.id for each in results}) == 1
        assert Counter(each.unwrap().is_new for each in results) == {True: 1, False: 19}
    said = [message for id in conversations for message in await chat.history(ada, id) if message.type == "text"]
    assert len(said) == 10
    for id in conversations:
        history = await chat.history(ada, id)
        assert [each.seq for each in history] == list(range(1, len(history) + 1))


async def test_a_client_id_that_is_just_being_committed_elsewhere_is_waited_for(
    chat: Chat, plaza: Stage, senders: list[MessageService]
) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    group, direct = await chat.group(ada, grace), await chat.direct(ada, grace)
    client_id = uuid4()
    into = [
        MessageDraft(sender_id=UserId(ada.user_id), conversation_id=id, client_id=client_id, content="once")
        for id in (group, direct)
    ]
    db = plaza[Database]
    later: list[asyncio.Task[ServiceResult[SentMessage]]] = []

    async def hold() -> ServiceResult[SentMessage]:
        first = await senders[0].send(into[0])
        later.append(asyncio.create_task(senders[1].send(into[1]), context=Context()))
        await until_somebody_waits(db)
        return first

    first = (await db.run(hold)).unwrap()
    second = (await later[0]).unwrap()
    assert (first.is_new, second.is_new, second.message) == (True, False, first.message)
    assert (await chat.view(ada, direct)).last_seq == 0


async def test_who_is_removed_writes_nothing_after_it(chat: Chat, senders: list[MessageService]) -> None:
    ada, *others = await chat.people("Ada", *(f"P{n}" for n in range(5)))
    id = await chat.group(ada, *others)
    sends = [sender.send(draft(other, id)) for _ in range(5) for other in others for sender in senders]
    removals = [chat.participants.remove(ada, id, UserId(other.user_id)) for other in others]
    results = await asyncio.gather(*sends[:30], *removals, *sends[30:])
    assert {code_of(each) for each in results} <= {"", "NOT_PARTICIPANT"}
    history = await chat.history(ada, id)
    assert [each.seq for each in history] == list(range(1, len(history) + 1))
    gone: set[str] = set()
    for message in history:
        assert str(message.sender_id) not in gone
        if message.system is not None and message.system.event == "participant_removed":
            gone.add(message.system.data["user_id"])
    assert len(gone) == 5


async def test_leaving_and_handing_over_at_once_keep_exactly_one_owner(chat: Chat) -> None:
    for _ in range(5):
        people = ada, grace, joan, ida, ruth = await chat.people("Ada", "Grace", "Joan", "Ida", "Ruth")
        id = await chat.group(ada, joan, ida, ruth, admins=(grace,))
        await asyncio.gather(
            chat.participants.transfer_ownership(ada, id, NewOwner(user_id=joan.user_id)),
            chat.participants.leave(grace, id),
            chat.participants.transfer_ownership(ada, id, NewOwner(user_id=ida.user_id)),
            chat.participants.leave(ada, id),
            chat.participants.leave(joan, id),
        )
        roles = await chat.roles(ruth, id)
        assert sorted(roles.values()).count("owner") == 1
        assert set(roles) == {ida.user_id, ruth.user_id}
        assert (await chat.view(ruth, id)).participant_count == 2
        assert len(people) == 5


async def test_the_last_ones_leaving_at_once_delete_the_group(chat: Chat) -> None:
    people = await chat.people(*(f"P{n}" for n in range(6)))
    id = await chat.group(people[0], *people[1:])
    results = await asyncio.gather(*(chat.participants.leave(each, id) for each in people))
    assert [code_of(each) for each in results] == [""] * 6
    assert {code_of(await chat.conversations.get(each, id)) for each in people} == {"CONVERSATION_DELETED"}

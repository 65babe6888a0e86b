from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plaza.chat import MessageDraft, MessageService, MessageView, NewMessage, SentMessage
from plaza.chat.models import Posting
from plaza.chat.schemas import GroupChange
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.service.blocks import BlockService
from plaza.core.actor import Actor
from plaza.core.db import Database
from plaza.core.ratelimit import RateLimits
from plaza.core.result import Failure, ServiceResult, success
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.chat.plain_send import PlainSend
from tests.support.stage import Stage
from tests.support.statements import statements


@dataclass
class World:
    """The same people and conversations, made twice in a row: what is compared are their messages, ids left out."""

    people: list[Actor]
    conversations: list[ConversationId]
    roots: list[MessageId]
    replies: list[MessageId]
    clients: list[UUID]


async def make_world(chat: Chat) -> World:
    """Ada owns, Grace is admin, Joan a member, Ida left, Mallory is a stranger.

    The second group is in slow mode, the third deleted, in the fourth only owner and admins write; Joan has blocked Grace; the last
    conversation does not exist.
    """
    people = ada, grace, joan, ida, _ = await chat.people("Ada", "Grace", "Joan", "Ida", "Mallory")
    conversations = [await chat.group(ada, joan, ida, admins=(grace,)) for _ in range(4)]
    roots, replies = [], []
    for each in conversations[:2]:
        await chat.leave(ida, each)
        roots.append((await chat.say(ada, each, "root")).id)
        replies.append((await chat.say(grace, each, "reply", parent=roots[-1])).id)
    (await chat.conversations.change(ada, conversations[1], GroupChange(slow_mode_s=60))).unwrap()
    (await chat.conversations.delete(ada, conversations[2])).unwrap()
    (await chat.conversations.change(ada, conversations[3], GroupChange(posting=Posting.ADMINS))).unwrap()
    parted = await chat.direct(grace, joan)
    (await chat.stage[BlockService].block(joan, NewBlock(user_id=grace.user_id))).unwrap()
    return World(people, [*conversations, parted, ConversationId(uuid4())], roots, replies, [uuid4() for _ in range(4)])


class Choice(msgspec.Struct, frozen=True):
    """One draft by its numbers in a world. `parent`: none, a root or reply of the first two conversations, or nobody's."""

    sender: int
    conversation: int
    client: int | None
    content: str
    parent: int | None
    has_attachments: bool

    def draft(self, world: World) -> MessageDraft:
        parents = [*world.roots, *world.replies, MessageId(uuid4())]
        content = self.content
        for n, person in enumerate(world.people):
            content = content.replace(f"<@{n}>", f"<@{person.user_id}>")
        return MessageDraft(
            sender_id=UserId(world.people[self.sender].user_id),
            conversation_id=world.conversations[self.conversation],
            client_id=uuid4() if self.client is None else world.clients[self.client],
            content=content,
            parent_id=None if self.parent is None else parents[self.parent],
            has_attachments=self.has_attachments,
        )


CHOICES = st.builds(
    Choice,
    sender=st.sampled_from([0, 0, 1, 1, 2, 2, 3, 4]),
    conversation=st.sampled_from([0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 5]),
    client=st.one_of(st.none(), st.integers(0, 3)),
    content=st.sampled_from(
        ["hi", "ho", " ", "", "x" * 10_001, "<@all> all", "you, <@1> and <@3>", "<@2><@2> <@0> <@x>"]
    ),
    parent=st.one_of(st.none(), st.none(), st.integers(0, 4)),
    has_attachments=st.sampled_from([False] * 9 + [True]),
)


async def written(chat: Chat, world: World) -> list[list[tuple[Any, ...]]]:
    """Everything that may differ, with ids replaced by who or what they stand for."""
    names: dict[Any, int] = {person.user_id: n for n, person in enumerate(world.people)}
    found = []
    for reader, conversation in ((0, 0), (0, 1), (0, 3), (2, 4)):
        history = await chat.history(world.people[reader], world.conversations[conversation])
        seqs = {message.id: message.seq for message in history}
        view = await chat.view(world.people[reader], world.conversations[conversation])
        assert [message.seq for message in history] == list(range(1, view.last_seq + 1)), "gap-free"
        found.append([_comparable(message, names, seqs) for message in history])
    return found


def _comparable(message: MessageView, names: dict[Any, int], seqs: dict[MessageId, int]) -> tuple[Any, ...]:
    content = message.content
    for id, name in names.items():
        content = content.replace(str(id), str(name))
    parent = None if message.parent_id is None else seqs[message.parent_id]
    sender = None if message.sender_id is None else names[message.sender_id]
    return message.seq, sender, content, parent, message.reply_count, sorted(names[each] for each in message.mentions)


async def one_batch(stage: Stage, drafts: Sequence[MessageDraft]) -> Sequence[ServiceResult[SentMessage]]:
    """As a lane runs it: one transaction for all."""
    db, body = stage[Database], inspect.unwrap(MessageService.send)

    async def run() -> ServiceResult[Any]:
        return success(await body(stage[MessageService], drafts))

    found: Sequence[ServiceResult[SentMessage]] = (await db.run(run)).unwrap()
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(st.sampled_from([0, 30, 60]), st.lists(CHOICES, min_size=1, max_size=12)), min_size=1, max_size=3
    )
)
async def test_grouped_sends_equal_plain_ones(plaza: Stage, batches: list[tuple[int, list[Choice]]]) -> None:
    chat = Chat(plaza)
    plain = PlainSend(plaza[Database], plaza.clock)
    grouped_world, plain_world = await make_world(chat), await make_world(chat)
    for wait, batch in batches:
        plaza.clock.advance(timedelta(seconds=wait))
        sent = await one_batch(plaza, [choice.draft(grouped_world) for choice in batch])
        expected = [await plain.send(choice.draft(plain_world)) for choice in batch]
        assert [code_of(each) for each in sent] == [code_of(each) for each in expected]
        for one, other in zip(sent, expected, strict=True):
            if not isinstance(one, Failure):
                assert one.unwrap().is_new == other.unwrap()[1]
    assert await written(chat, grouped_world) == await written(chat, plain_world)


def draft(
    sender: Actor, conversation: ConversationId, content: str = "hello", client_id: UUID | None = None
) -> MessageDraft:
    return MessageDraft(
        sender_id=UserId(sender.user_id),
        conversation_id=conversation,
        client_id=client_id or uuid4(),
        content=content,
    )


async def test_the_same_client_id_gives_the_first_message_back_for_ever(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id, other = await chat.direct(ada, grace), await chat.group(ada, grace)
    client_id = uuid4()
    first = (await chat.messages.send(draft(ada, id, "first", client_id))).unwrap()
    assert first.is_new
    for again in (draft(ada, id, "other text", client_id), draft(ada, other, "first", client_id)):
        sent = (await chat.messages.send(again)).unwrap()
        assert (sent.is_new, sent.message) == (False, first.message)
    graces = (await chat.messages.send(draft(grace, id, "mine", client_id))).unwrap()
    assert (graces.is_new, graces.message.seq) == (True, 2), "a client_id is its sender's own"
    await chat.leave(ada, other)
    assert not (await chat.messages.send(draft(ada, other, "first", client_id))).unwrap().is_new


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "EMPTY_CONTENT"), (" \n\t ", "EMPTY_CONTENT"), ("é" * 10_001, "CONTENT_TOO_LONG"), ("é" * 10_000, "")],
)
async def test_how_long_a_text_may_be(chat: Chat, content: str, code: str) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    assert code_of(await chat.messages.send(draft(ada, id, content))) == code
    assert (await chat.view(ada, id)).last_seq == (0 if code else 1), "a refusal takes no seq"


async def test_attachments_are_refused_until_there_is_media(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    new = NewMessage(client_id=uuid4(), content="look", attachments=["picture"])
    assert code_of(await chat.messages.post(ada, id, new)) == "ATTACHMENTS_UNAVAILABLE"
    new = NewMessage(client_id=uuid4(), content="look", attachments=[])
    assert (await chat.messages.post(ada, id, new)).unwrap().is_new


async def test_a_reply_to_a_reply_joins_the_root(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id, other = await chat.group(ada, grace), await chat.direct(ada, grace)
    root = await chat.say(ada, id, "root")
    reply = await chat.say(grace, id, "reply", parent=root.id)
    second = await chat.say(ada, id, "reply to the reply", parent=reply.id)
    assert (reply.parent_id, second.parent_id) == (root.id, root.id)
    history = {message.id: message for message in await chat.history(ada, id)}
    assert [history[each].reply_count for each in (root.id, reply.id)] == [2, 0]
    system = next(iter(history.values()))
    elsewhere = await chat.say(ada, other, "elsewhere")
    for parent in (system.id, elsewhere.id, MessageId(uuid4())):
        new = NewMessage(client_id=uuid4(), content="lost", parent_id=parent)
        assert code_of(await chat.messages.post(ada, id, new)) == "INVALID_PARENT"


async def test_mentions_are_of_participants_and_all_is_for_owner_and_admins(chat: Chat) -> None:
    ada, grace, joan, mallory = await chat.people("Ada", "Grace", "Joan", "Mallory")
    id = await chat.group(ada, joan, admins=(grace,))
    text = f"<@{joan.user_id}> <@{str(grace.user_id).upper()}> <@{mallory.user_id}> <@nobody>"
    assert (await chat.say(ada, id, text)).mentions == sorted((grace.user_id, joan.user_id))
    assert (await chat.say(grace, id, "<@all>")).mentions == sorted((ada.user_id, joan.user_id))
    assert (await chat.say(joan, id, "<@all>")).mentions == []
    assert await chat.unread(joan) == {id: (2, 2)}


async def test_sends_of_one_caller_keep_their_order(chat: Chat) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id, other = await chat.group(ada, grace), await chat.group(ada, grace)
    sends = [chat.messages.send(draft(ada, (id, other)[n % 2], f"{n}")) for n in range(200)]
    await asyncio.gather(*sends)
    for parity, conversation in enumerate((id, other)):
        texts = [each.content for each in await chat.history(grace, conversation) if each.type == "text"]
        assert texts == [f"{n}" for n in range(200) if n % 2 == parity]


async def test_a_burst_is_refused_with_the_time_to_wait(
    chat: Chat, plaza: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    limits = RateLimits(plaza[RateLimits].redis, msgspec.structs.replace(plaza[RateLimits].settings, enabled=True))
    monkeypatch.setattr(chat.messages, "limits", limits)
    monkeypatch.setattr(chat.messages, "settings", msgspec.structs.replace(chat.messages.settings, flood="3 per 1 day"))
    results = [await chat.messages.post(ada, id, NewMessage(client_id=uuid4(), content=f"{n}")) for n in range(4)]
    assert [code_of(each) for each in results] == ["", "", "", "RATE_LIMITED"]
    refused = results[-1]
    assert isinstance(refused, Failure)
    assert refused.error.retry_after is not None
    await chat.say(grace, id, "others are not held up")
    assert len(await chat.history(ada, id)) == 4


async def test_a_send_is_two_statements(chat: Chat, plaza: Stage) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    with statements(plaza[Database]) as sent:
        await chat.say(ada, id)
    assert len(sent) == 2, sent
    with statements(plaza[Database]) as sent:
        await asyncio.gather(*(chat.say(ada, id, f"{n}") for n in range(20)))
    assert len(sent) == 2, "however many wait"

"""What sockets are told live, and what is read back from the log for those who missed it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from plaza.chat import ConversationLog, MessageDraft
from plaza.chat.schemas import GroupChange, NewOwner, RoleChange, SeqMarker
from plaza.core.db import PageRequest
from plaza.core.ids import uuid7
from plaza.core.realtime import Hub, LogFrame, RealtimeSettings, Wake
from plaza.core.result import ServiceResult, success
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, settled
from tests.core.realtime.world import Peer
from tests.support.stage import Stage


class Heard:
    """Everything that the hub was told, in order."""

    def __init__(self) -> None:
        self.wakes: list[Wake] = []
        self.passing: list[tuple[object, dict[str, Any]]] = []

    async def wake(self, *wakes: Wake) -> None:
        self.wakes += wakes

    async def to_topic(self, topic: UUID, frame: bytes, *, but_user: UUID | None = None) -> None:
        self.passing.append((topic, msgspec.json.decode(frame)))

    async def to_users(self, users: list[UUID], frame: bytes, *, topic: UUID | None = None) -> None:
        self.passing.append((tuple(users), msgspec.json.decode(frame)))


@pytest.fixture
def heard(plaza: Stage, monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard = Heard()
    for name in ("wake", "to_topic", "to_users"):
        monkeypatch.setattr(plaza[Hub], name, getattr(heard, name))
    return heard


def content_of(entry: Wake | LogFrame) -> tuple[Any, ...]:
    """All but the order of an object's keys."""
    return entry.seq, msgspec.json.decode(entry.frame), entry.joined, entry.left, entry.then


async def test_the_log_says_what_was_told(chat: Chat, plaza: Stage, heard: Heard) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, grace)
    await chat.say(ada, id, "hello")
    await chat.add(ada, id, joan)
    change = RoleChange(role="admin")
    (await chat.participants.change_role(ada, id, UserId(joan.user_id), change)).unwrap()
    (await chat.conversations.change(joan, id, GroupChange(title="New"))).unwrap()
    (await chat.participants.transfer_ownership(ada, id, NewOwner(user_id=grace.user_id))).unwrap()
    await chat.remove(grace, id, ada)
    await chat.leave(grace, id)
    log = await plaza[ConversationLog].frames(id, 0, 100)
    assert list(map(content_of, heard.wakes)) == list(map(content_of, log))
    assert [each.seq for each in log] == list(range(1, 10))
    assert {each.topic for each in heard.wakes} == {id}
    comings = [(each.seq, set(each.joined), set(each.left)) for each in log if each.joined or each.left]
    assert comings == [
        (1, {ada.user_id, grace.user_id}, set()),
        (3, {joan.user_id}, set()),
        (7, set(), {ada.user_id}),
        (9, set(), {grace.user_id}),
    ]
    changes = [msgspec.json.decode(frame) for each in log for frame in each.then]
    assert [(each["user_id"], each["role"]) for each in changes] == [
        (str(joan.user_id), "member"),
        (str(joan.user_id), "admin"),
        (str(ada.user_id), "admin"),
        (str(grace.user_id), "owner"),
        (str(ada.user_id), None),
        (str(grace.user_id), "admin"),
        (str(joan.user_id), "owner"),
        (str(grace.user_id), None),
    ]
    assert {each["type"] for each in changes} == {"participant.changed"}


async def test_an_entry_is_heard_though_its_commit_lasts_longer_than_sweeps_look_back(chat: Chat, plaza: Stage) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    id = await chat.group(ada, grace)
    hub = Hub(Redis(), RealtimeSettings(window_s=1e-6))  # never connected: it only sweeps
    hub.log = plaza[ConversationLog]
    peer = await Peer(hub, grace.user_id).opened()
    has_written, may_commit = asyncio.Event(), asyncio.Event()

    async def lasting() -> ServiceResult[None]:
        await chat.add(ada, id, joan)
        has_written.set()
        await may_commit.wait()
        return success(None)

    committing = asyncio.create_task(plaza.runtime.db.run(lasting))
    await has_written.wait()
    for _ in range(3):
        await hub.sweep()
    may_commit.set()
    await committing
    await hub.sweep()
    await peer.until(lambda: [each["seq"] for each in peer.of_type("message.new")] == [2])
    await peer.leave()


async def test_a_page_of_the_log(chat: Chat, plaza: Stage) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(5):
        await chat.say(ada, id, f"{n}")
    assert [each.seq for each in await plaza[ConversationLog].frames(id, 1, 2)] == [2, 3]
    assert await plaza[ConversationLog].frames(id, 5, 2) == []


async def test_the_first_message_introduces_a_direct_conversation_to_both(
    chat: Chat, plaza: Stage, heard: Heard
) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    floor = uuid7()
    id = await chat.direct(ada, grace)
    assert [(who, frame["type"]) for who, frame in heard.passing] == [
        ((ada.user_id,), "conversation.updated"),
        ((grace.user_id,), "conversation.updated"),
    ]
    assert [frame["conversation"]["peer"]["display_name"] for _, frame in heard.passing] == ["Grace", "Ada"]
    await chat.say(grace, id, "one")
    await chat.say(grace, id, "two")
    pair = tuple(sorted((ada.user_id, grace.user_id)))
    assert [each.joined for each in heard.wakes] == [pair, ()]
    assert [each.joined for each in await plaza[ConversationLog].frames(id, 0, 10)] == [pair, ()]
    heads = await plaza[ConversationLog].heads(floor)
    assert [(each.topic, each.seq) for each in heads] == [(id, 1), (id, 2)]
    assert heads[0].joined == pair


async def test_leaving_a_direct_conversation_without_a_word_introduces_it_too(
    chat: Chat, plaza: Stage, heard: Heard
) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    await chat.leave(ada, id)
    await chat.direct(grace, ada)
    pair = tuple(sorted((ada.user_id, grace.user_id)))
    assert [(each.joined, each.left) for each in heard.wakes] == [(pair, (ada.user_id,)), ((ada.user_id,), ())]
    log = await plaza[ConversationLog].frames(id, 0, 10)
    assert list(map(content_of, heard.wakes)) == list(map(content_of, log))


async def test_heads_are_the_ends_of_logs_and_who_came_and_went(chat: Chat, plaza: Stage) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    old, id = await chat.group(ada, grace), await chat.group(ada, grace)
    floor = uuid7()
    for n in range(3):
        await chat.say(ada, id, f"{n}")
    await chat.add(ada, id, joan)
    await chat.remove(ada, id, joan)
    await chat.say(ada, id, "last")
    heads = await plaza[ConversationLog].heads(floor)
    assert [(each.topic, each.seq, each.joined, each.left) for each in heads] == [
        (id, 5, (joan.user_id,), ()),
        (id, 6, (), (joan.user_id,)),
        (id, 7, (), ()),
    ]
    assert await plaza[ConversationLog].heads(uuid7()) == []
    assert await plaza[ConversationLog].topics_of(grace.user_id) == {old: 1, id: 7}
    assert await plaza[ConversationLog].topics_of(joan.user_id) == {}
    (await chat.conversations.delete(ada, old)).unwrap()
    assert await plaza[ConversationLog].topics_of(grace.user_id) == {id: 7}


async def test_frames_carry_nothing_personal(chat: Chat, heard: Heard) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    said = await chat.say(ada, id, "hello")
    frame = msgspec.json.decode(heard.wakes[-1].frame)
    whole = msgspec.json.decode(msgspec.json.encode(said))
    personal = {"my_reactions", "saved"}
    assert frame == {
        "type": "message.new",
        "conversation_id": str(id),
        "seq": 2,
        "message": {name: value for name, value in whole.items() if name not in personal},
    }
    (await chat.conversations.change(ada, id, GroupChange(title="New"))).unwrap()
    (who, updated), *_ = heard.passing
    assert (who, updated["conversation"]["title"]) == (id, "New")
    assert "my" not in updated["conversation"]


async def test_reading_is_told_to_the_conversation_and_unread_to_the_reader(chat: Chat, heard: Heard) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.direct(ada, grace)
    for n in range(2):
        await chat.say(ada, id, f"{n}")
    heard.passing.clear()
    await chat.read(grace, id, 1)
    await chat.read(grace, id, 1)
    (await chat.reading.mark_unread(grace, id, SeqMarker(seq=0))).unwrap()
    graces = (grace.user_id,)
    name = {"conversation_id": str(id)}
    assert heard.passing == [
        (id, {"type": "read.updated", **name, "user_id": str(grace.user_id), "up_to": 1}),
        (graces, {"type": "unread", **name, "unread": 1, "mentions": 0}),
        (graces, {"type": "unread", **name, "unread": 2, "mentions": 0}),
    ]


async def test_when_a_group_is_deleted_each_is_told_that_he_is_out_and_nobody_joins_it(
    chat: Chat, plaza: Stage
) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    floor = uuid7()
    id, other = await chat.group(ada, grace), await chat.group(ada, grace)
    async with line(plaza, ada) as adas, line(plaza, grace) as graces:
        (await chat.conversations.delete(ada, id)).unwrap()
        for socket, who in ((adas, ada), (graces, grace)):
            (told,) = [frame for frame in await settled(socket) if frame["type"] == "participant.changed"]
            assert (told["conversation_id"], told["user_id"], told["role"]) == (str(id), str(who.user_id), None)
    log = plaza[ConversationLog]
    assert set(await log.ended([id, other, uuid4()])) == {id}
    assert {each.topic: bool(each.joined) for each in await log.heads(floor)} == {id: False, other: True}


async def test_a_refusal_tells_nobody_anything(chat: Chat, heard: Heard) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    before = len(heard.wakes), len(heard.passing)
    blank = MessageDraft(sender_id=UserId(grace.user_id), conversation_id=id, client_id=uuid4(), content=" ")
    answers = [
        await chat.conversations.change(grace, id, GroupChange(title="Mine")),
        await chat.participants.remove(grace, id, UserId(ada.user_id)),
        await chat.messages.send(blank),
    ]
    assert [code_of(each) for each in answers] == ["PERMISSION_DENIED", "PERMISSION_DENIED", "EMPTY_CONTENT"]
    assert (len(heard.wakes), len(heard.passing)) == before
    assert (await chat.view(ada, id)).last_seq == 1


async def test_the_resume_feed_is_the_frames_of_sockets(chat: Chat, heard: Heard) -> None:
    ada, grace = await chat.people("Ada", "Grace")
    id = await chat.group(ada, grace)
    for n in range(4):
        await chat.say(ada, id, f"{n}")
    frames, cursor = [], None
    while True:
        raw = (await chat.messages.events(grace, id, 1, PageRequest(limit=3, cursor=cursor))).unwrap()
        page = msgspec.json.decode(raw)
        frames += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert frames == [msgspec.json.decode(each.frame) for each in heard.wakes[1:]]
    assert [each["seq"] for each in frames] == [2, 3, 4, 5]

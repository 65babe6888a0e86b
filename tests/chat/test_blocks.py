"""Blocks: nothing passes directly between two people of whom one has blocked the other."""

from __future__ import annotations

from uuid import uuid4

import pytest

from plaza.chat import Kind, NewConversation, NewMessage, NewParticipant
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.presence import Status
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.presence import PresenceService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, say, settled
from tests.support.stage import Stage


async def block(chat: Chat, blocker: Actor, blocked: Actor) -> None:
    (await chat.stage[BlockService].block(blocker, NewBlock(user_id=blocked.user_id))).unwrap()


async def blocked_by(chat: Chat, blocker: Actor) -> list[str]:
    page = (await chat.stage[BlockService].page(blocker, PageRequest())).unwrap()
    return [each.display_name for each in page.items]


async def send_code(chat: Chat, sender: Actor, conversation: ConversationId) -> str:
    return code_of(await chat.messages.post(sender, conversation, NewMessage(client_id=uuid4(), content="hello")))


@pytest.mark.parametrize("blocker", [0, 1])
async def test_no_direct_message_passes_either_way(chat: Chat, blocker: int) -> None:
    people = ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    hers, his = await chat.say(ada, talk), await chat.say(bob, talk)
    await block(chat, people[blocker], people[1 - blocker])
    before = await chat.events(ada, talk)
    for who, own, other in ((ada, hers, his), (bob, his, hers)):
        refused = [
            await send_code(chat, who, talk),
            code_of(await chat.edit(who, own, "changed")),
            code_of(await chat.react(who, other, "👍")),
        ]
        assert refused == ["BLOCKED"] * 3
    assert await chat.events(ada, talk) == before, "a refusal leaves no trace"
    (await chat.delete(ada, hers)).unwrap()
    (await chat.stage[BlockService].unblock(people[blocker], UserId(people[1 - blocker].user_id))).unwrap()
    assert [await send_code(chat, each, talk) for each in people] == ["", ""]


@pytest.mark.parametrize("blocker", [0, 1])
async def test_nobody_is_drawn_into_a_conversation(chat: Chat, blocker: int) -> None:
    people = ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    await block(chat, people[blocker], people[1 - blocker])
    for kind, title in ((Kind.DIRECT, None), (Kind.GROUP, "Team")):
        new = NewConversation(kind=kind, member_ids=[bob.user_id], title=title)
        assert code_of(await chat.conversations.create(ada, new)) == "BLOCKED"
    team = await chat.group(ada, joan, title="Team")
    assert code_of(await chat.participants.add(ada, team, NewParticipant(user_id=bob.user_id))) == "BLOCKED"
    assert (await chat.view(ada, team)).last_seq == 1
    assert (await chat.conversations.page(bob, PageRequest())).unwrap().items == []


async def test_a_conversation_that_was_left_is_not_revived(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    await chat.leave(ada, talk)
    await block(chat, ada, bob)
    new = NewConversation(kind=Kind.DIRECT, member_ids=[ada.user_id])
    assert code_of(await chat.conversations.create(bob, new)) == "BLOCKED"
    assert code_of(await chat.conversations.get(ada, talk)) == "NOT_PARTICIPANT"


async def test_groups_go_on(chat: Chat) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    team = await chat.group(joan, ada, bob)
    await block(chat, ada, bob)
    message = await chat.say(bob, team, "to all")
    (await chat.react(ada, message, "👍")).unwrap()
    (await chat.edit(bob, message, "to everybody")).unwrap()
    assert [each.content for each in await chat.history(ada, team)] == ["", "to everybody"]


async def test_all_devices_of_the_blocker_hear_of_it_and_nobody_else(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as phone, line(plaza, ada) as desk, line(plaza, bob) as bobs:
        await block(chat, ada, bob)
        for device in (phone, desk):
            await device.next("sync", what="blocks")
        ref = await say(bobs, talk)
        assert (await bobs.next("error", ref=ref))["code"] == "BLOCKED"
        assert [each["type"] for each in await settled(bobs)] == ["ready", "error", "pong"]
        assert "message.new" not in [each["type"] for each in await settled(phone)]
        (await plaza[BlockService].unblock(ada, UserId(bob.user_id))).unwrap()
        await desk.next("sync", what="blocks")


async def test_whoever_is_blocked_sees_no_presence(plaza: Stage, chat: Chat) -> None:
    presence = plaza[PresenceService]
    ada, bob = await chat.people("Ada", "Bob")
    await chat.direct(ada, bob)
    for each in (ada, bob):
        (await presence.heartbeat(each, "device")).unwrap()
    await block(chat, ada, bob)
    (seen,) = (await presence.of(bob, [ada.user_id])).unwrap()
    assert (seen.status, seen.last_seen_at) == (Status.OFFLINE, None)
    (seen,) = (await presence.of(ada, [bob.user_id])).unwrap()
    assert seen.status == Status.ONLINE


async def test_over_http(chat: Chat) -> None:
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    async with await chat.http(ada) as http:
        body = {"user_id": str(bob.user_id)}
        first, again = [await http.post("/api/v1/chat/blocks", json=body) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 200)
        assert set(first.json()) == {"user_id", "display_name", "avatar_url", "created_at"}
        await http.post("/api/v1/chat/blocks", json={"user_id": str(joan.user_id)})
        page = (await http.get("/api/v1/chat/blocks?limit=1")).json()
        rest = (await http.get(f"/api/v1/chat/blocks?limit=1&cursor={page['next_cursor']}")).json()
        assert {each["display_name"] for each in page["items"] + rest["items"]} == {"Bob", "Joan"}
        assert rest["next_cursor"] is None
        for _ in range(2):
            assert (await http.delete(f"/api/v1/chat/blocks/{bob.user_id}")).status_code == 204
        assert await blocked_by(chat, ada) == ["Joan"]
        itself = await http.post("/api/v1/chat/blocks", json={"user_id": str(ada.user_id)})
        assert (itself.status_code, itself.json()["code"]) == (422, "SAME_USER")
        nobody = await http.post("/api/v1/chat/blocks", json={"user_id": str(uuid4())})
        assert (nobody.status_code, nobody.json()["code"]) == (404, "USER_NOT_FOUND")
    assert await blocked_by(chat, bob) == []

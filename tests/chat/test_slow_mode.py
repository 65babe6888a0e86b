"""Who may write in a group, and how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from plaza.chat import NewMessage
from plaza.chat.models import Posting
from plaza.chat.schemas import GroupChange, RoleChange
from plaza.chat.schemas.marks import NewScheduled
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.core.jobs.declare import ATTEMPTS
from plaza.core.ratelimit import RateLimits, RateLimitSettings
from plaza.core.result import Failure
from plaza.domain_events.chat import ConversationId, MessageId
from plaza.domain_events.identity import UserId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, say
from tests.identity.builders import jobs_done
from tests.support.clock import ManualClock
from tests.support.stage import Stage


async def change(chat: Chat, who: Actor, group: ConversationId, **changes: object) -> str:
    return code_of(await chat.conversations.change(who, group, GroupChange(**changes)))  # type: ignore[arg-type] # as given


async def post(chat: Chat, sender: Actor, group: ConversationId, parent: MessageId | None = None) -> str:
    new = NewMessage(client_id=uuid4(), content="hello", parent_id=parent)
    return code_of(await chat.messages.post(sender, group, new))


async def test_a_member_waits_between_two_messages(chat: Chat, clock: ManualClock) -> None:
    ada, grace, joan, ida = await chat.people("Ada", "Grace", "Joan", "Ida")
    team = await chat.group(ada, joan, ida, admins=(grace,))
    assert await change(chat, ada, team, slow_mode_s=60) == ""
    assert [await post(chat, joan, team) for _ in range(2)] == ["", "SLOW_MODE"]
    clock.advance(timedelta(seconds=20))
    refused = await chat.messages.post(joan, team, NewMessage(client_id=uuid4(), content="soon"))
    assert isinstance(refused, Failure)
    assert (refused.error.code, refused.error.retry_after) == ("SLOW_MODE", 40)
    assert await post(chat, ida, team) == "", "each waits alone"
    for staff in (ada, grace):
        assert [await post(chat, staff, team) for _ in range(2)] == ["", ""]
    clock.advance(timedelta(seconds=40))
    assert [await post(chat, joan, team) for _ in range(2)] == ["", "SLOW_MODE"]
    assert await change(chat, grace, team, slow_mode_s=0) == ""
    assert [await post(chat, joan, team) for _ in range(2)] == ["", ""]
    view = await chat.view(ada, team)
    texts = [each for each in await chat.history(ada, team) if each.type == "text"]
    assert (len(texts), view.last_seq) == (9, 9 + 2), "a refusal takes no seq"


async def test_a_repeated_send_and_a_refused_one_start_no_pause(chat: Chat) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team = await chat.group(ada, joan)
    assert await change(chat, ada, team, slow_mode_s=60) == ""
    assert await post(chat, joan, team, MessageId(uuid4())) == "INVALID_PARENT"
    new = NewMessage(client_id=uuid4(), content="hello")
    sent = [(await chat.messages.post(joan, team, new)).unwrap() for _ in range(2)]
    assert [each.is_new for each in sent] == [True, False]
    assert await post(chat, joan, team, MessageId(uuid4())) == "INVALID_PARENT"
    assert await post(chat, joan, team) == "SLOW_MODE"


async def test_leaving_is_no_way_around(chat: Chat) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team = await chat.group(ada, joan)
    assert await change(chat, ada, team, slow_mode_s=60) == ""
    await chat.say(joan, team)
    await chat.leave(joan, team)
    await chat.add(ada, team, joan)
    assert await post(chat, joan, team) == "SLOW_MODE"


async def test_where_only_owner_and_admins_write(chat: Chat) -> None:
    ada, grace, joan = await chat.people("Ada", "Grace", "Joan")
    team = await chat.group(ada, joan, admins=(grace,))
    assert await change(chat, grace, team, posting=Posting.ADMINS) == ""
    assert [await post(chat, each, team) for each in (ada, grace, joan)] == ["", "", "PERMISSION_DENIED"]
    message = (await chat.history(joan, team))[-1]
    (await chat.react(joan, message, "👍")).unwrap()
    (await chat.participants.change_role(ada, team, UserId(joan.user_id), RoleChange(role="admin"))).unwrap()
    assert await post(chat, joan, team) == ""
    assert await change(chat, ada, team, posting=Posting.EVERYBODY) == ""


async def test_who_sets_it_and_who_hears_of_it(plaza: Stage, chat: Chat) -> None:
    ada, grace, joan, stranger = await chat.people("Ada", "Grace", "Joan", "Stranger")
    team = await chat.group(ada, joan, admins=(grace,))
    assert await change(chat, joan, team, slow_mode_s=5) == "PERMISSION_DENIED"
    assert await change(chat, stranger, team, slow_mode_s=5) == "CONVERSATION_NOT_FOUND"
    assert await change(chat, ada, await chat.direct(ada, joan), slow_mode_s=5) == "NOT_GROUP"
    before = (await chat.view(ada, team)).last_seq
    async with line(plaza, joan) as socket:
        assert await change(chat, grace, team, slow_mode_s=5, posting=Posting.ADMINS) == ""
        told = (await socket.next("conversation.updated"))["conversation"]
        assert (told["slow_mode_s"], told["posting"], told["title"]) == (5, "admins", "Team")
    view = await chat.view(joan, team)
    assert (view.slow_mode_s, view.posting, view.last_seq) == (5, "admins", before)


async def test_both_protocols_say_how_long(plaza: Stage, chat: Chat) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team = await chat.group(ada, joan)
    c = f"/api/v1/chat/conversations/{team}"
    async with await chat.http(ada) as http:
        changed = await http.patch(c, json={"slow_mode_s": 30})
        assert (changed.status_code, changed.json()["slow_mode_s"]) == (200, 30)
        for wrong in ({"slow_mode_s": -1}, {"slow_mode_s": 86_401}, {"posting": "nobody"}):
            assert (await http.patch(c, json=wrong)).json()["code"] == "VALIDATION_ERROR"
    async with await chat.http(joan) as http, line(plaza, joan) as socket:
        sent = [await http.post(f"{c}/messages", json={"client_id": str(uuid4()), "content": "hi"}) for _ in range(2)]
        assert [each.status_code for each in sent] == [201, 429]
        assert (sent[1].json()["code"], sent[1].headers["retry-after"]) == ("SLOW_MODE", "30")
        refused = await socket.next("error", ref=await say(socket, team))
        assert (refused["code"], refused["retry_after"]) == ("SLOW_MODE", 30)


async def test_scheduled_messages_wait_for_each_other(plaza: Stage, chat: Chat, clock: ManualClock) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team = await chat.group(ada, joan)
    assert await change(chat, ada, team, slow_mode_s=60) == ""
    texts = [str(n) for n in range(ATTEMPTS + 2)]
    for text in texts:
        new = NewScheduled(conversation_id=team, content=text, send_at=clock.now() + timedelta(minutes=1))
        (await plaza[ScheduledService].schedule(joan, new)).unwrap()
    for sent in range(1, len(texts) + 1):
        clock.advance(timedelta(minutes=1))
        await jobs_done(plaza)
        waiting = (await plaza[ScheduledService].page(joan, PageRequest(limit=100))).unwrap().items
        assert [each.state for each in waiting] == ["waiting"] * (len(texts) - sent)
    assert sorted(each.content for each in await chat.history(ada, team) if each.type == "text") == texts


async def test_scheduled_messages_are_no_way_around_the_flood_limit(
    plaza: Stage, chat: Chat, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team, scheduled = await chat.group(ada, joan), plaza[ScheduledService]
    monkeypatch.setattr(plaza[RateLimits], "settings", RateLimitSettings(enabled=True))
    monkeypatch.setattr(chat.messages, "settings", msgspec.structs.replace(chat.messages.settings, flood="3 per 1 day"))
    texts = [str(n) for n in range(5)]
    for text in texts:
        new = NewScheduled(conversation_id=team, content=text, send_at=clock.now() + timedelta(days=300))
        (await scheduled.send((await scheduled.schedule(joan, new)).unwrap().id)).unwrap()
    assert [each.content for each in await chat.history(ada, team) if each.type == "text"] == texts[:3]
    assert await post(chat, joan, team) == "RATE_LIMITED", "what is sent now and what was scheduled count together"
    waiting = (await scheduled.page(joan, PageRequest(limit=100))).unwrap().items
    assert [(each.content, each.state) for each in waiting] == [(text, "waiting") for text in texts[3:]]
    clock.advance(timedelta(days=1))
    await jobs_done(plaza)  # by the worker, which counts for itself
    assert sorted(each.content for each in await chat.history(ada, team) if each.type == "text") == texts


@pytest.mark.parametrize("at_once", [2, 20])
async def test_one_of_several_at_once_is_written(chat: Chat, at_once: int) -> None:
    ada, joan = await chat.people("Ada", "Joan")
    team = await chat.group(ada, joan)
    assert await change(chat, ada, team, slow_mode_s=60) == ""
    codes = await asyncio.gather(*(post(chat, joan, team) for _ in range(at_once)))
    assert sorted(codes) == ["", *["SLOW_MODE"] * (at_once - 1)]

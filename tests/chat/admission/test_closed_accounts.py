"""Closed accounts, by their owner or by staff, for a while or for good: out of every socket, let in nowhere; nothing is said for them."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from plaza.chat.models import ScheduledState
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.marks import NewScheduled
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.domain_events.chat import ConversationId
from plaza.domain_events.identity import UserId
from plaza.identity import BanInput, StaffService
from tests.chat.admission.cast import Cast
from tests.chat.admission.snapshot import snapshot
from tests.chat.admission.test_admission import ask, document_of, operations
from tests.chat.builders import Chat
from tests.chat.lines import dialled, line, signed_in, ticket_of
from tests.chat.test_stream import streaming
from tests.identity.builders import jobs_done
from tests.identity.staff import somebody
from tests.support.outside import Socket
from tests.support.stage import Stage


async def close_account(chat: Chat, who: Actor, how: str) -> None:
    http = await chat.http(who)
    match how:
        case "deactivated":
            assert (await http.post("/api/v1/auth/deactivate")).status_code == 204
        case "erased":
            assert (await http.delete("/api/v1/auth/user")).status_code == 202
            await jobs_done(chat.stage)
        case "banned":
            boss = await somebody(chat.stage, "boss", "superuser", methods=("pwd", "mfa"))
            given = BanInput(reason="rude")
            (await chat.stage[StaffService].ban(boss.actor, UserId(who.user_id), given)).unwrap()
    await http.aclose()


@pytest.mark.parametrize("how", ["deactivated", "banned", "erased"])
async def test_a_closed_account_is_let_in_nowhere(chat: Chat, client: httpx.AsyncClient, how: str) -> None:
    document = await document_of(client)
    cast = Cast(chat, "stranger")
    (outsider,) = await cast.gather(1)
    who, group = outsider.actor, outsider.conversation
    await chat.add(cast.ada, group, who)
    await chat.say(who, group, "while I was here")
    actor, token = await signed_in(chat.stage, who)
    ticket = await ticket_of(chat.stage, actor)
    http = chat.stage.client(token)
    async with (
        line(chat.stage, who) as wide,
        line(chat.stage, who, f"/ws/chat/{group}") as narrow,
        streaming(http) as events,
    ):
        await close_account(chat, who, how)
        for each in (wide, narrow):
            assert (await each.closed())[0] == 4401
        assert (await events.closed())["code"] == 4401
    before = await snapshot(chat.stage)
    for route, operation in operations(document).items():
        answer = await ask(http, route, operation, document["components"]["schemas"], outsider)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED"), route
    for path in ("/ws", f"/ws/chat/{group}"):
        for query, headers in ((f"?ticket={ticket}", {}), ("", {"Authorization": f"Bearer {token}"})):
            async with dialled(chat.stage, f"{path}{query}", additional_headers=headers) as connection:
                assert (await (turned_away := Socket(connection)).closed())[0] == 4001
                assert turned_away.seen == []
    assert await snapshot(chat.stage) == before


@pytest.mark.parametrize("why", ["removed", "left", "blocked", "deactivated", "banned"])
async def test_what_was_to_be_sent_later_is_not_sent(plaza: Stage, chat: Chat, why: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob) if why == "blocked" else await chat.group(ada, bob)
    new = NewScheduled(conversation_id=talk, content="later", send_at=plaza.clock.now() + timedelta(hours=1))
    scheduled = (await plaza[ScheduledService].schedule(bob, new)).unwrap()
    await end(chat, why, ada, bob, talk)
    before = await chat.events(ada, talk)
    (await plaza[ScheduledService].send(scheduled.id)).unwrap()
    assert await chat.events(ada, talk) == before
    (kept,) = (await plaza[ScheduledService].page(bob, PageRequest())).unwrap().items
    assert kept.state is ScheduledState.FAILED
    closed = {"blocked": "BLOCKED", "deactivated": "PERMISSION_DENIED", "banned": "PERMISSION_DENIED"}
    assert kept.problem == closed.get(why, "NOT_PARTICIPANT")


async def end(chat: Chat, why: str, ada: Actor, bob: Actor, conversation: ConversationId) -> None:
    match why:
        case "removed":
            await chat.remove(ada, conversation, bob)
        case "left":
            await chat.leave(bob, conversation)
        case "blocked":
            (await chat.stage[BlockService].block(ada, NewBlock(user_id=bob.user_id))).unwrap()
        case _:
            await close_account(chat, bob, why)

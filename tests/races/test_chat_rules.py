"""What holds a group together, under real concurrency."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from plaza.chat import NewMessage
from plaza.chat.schemas.blocks import NewBlock
from plaza.chat.schemas.invites import NewInviteLink
from plaza.chat.schemas.marks import NewScheduled
from plaza.chat.schemas.reports import NewReport
from plaza.chat.service.blocks import BlockService
from plaza.chat.service.invite_links import InviteLinkService
from plaza.chat.service.reports import ReportService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.db import PageRequest
from tests.chat.builders import Chat, code_of
from tests.identity.builders import jobs_done
from tests.support.stage import Stage


@pytest.fixture
def chat(plaza: Stage) -> Chat:
    return Chat(plaza)


async def test_fifty_at_once_use_a_link_as_often_as_it_may_be_used(chat: Chat) -> None:
    links = chat.stage[InviteLinkService]
    ada, *others = await chat.people("Ada", *(f"P{n}" for n in range(50)))
    team = await chat.group(ada)
    link = (await links.create(ada, team, NewInviteLink(max_uses=7))).unwrap()
    codes = Counter(code_of(each) for each in await asyncio.gather(*(links.join(each, link.code) for each in others)))
    assert codes == {"": 7, "INVITE_NOT_FOUND": 43}
    assert (await chat.view(ada, team)).participant_count == 8
    (listed,) = (await links.page(ada, team, PageRequest())).unwrap().items
    assert listed.uses == 7
    assert [each.seq for each in await chat.history(ada, team)] == list(range(1, 9))


async def test_one_person_joins_once(chat: Chat) -> None:
    links = chat.stage[InviteLinkService]
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada)
    link = (await links.create(ada, team, NewInviteLink())).unwrap()
    codes = Counter(code_of(each) for each in await asyncio.gather(*(links.join(bob, link.code) for _ in range(10))))
    assert codes == {"": 1, "ALREADY_PARTICIPANT": 9}
    assert (await chat.view(ada, team)).participant_count == 2


async def test_the_same_reported_at_once_is_one_report(chat: Chat) -> None:
    reports = chat.stage[ReportService]
    ada, bob = await chat.people("Ada", "Bob")
    message = await chat.say(bob, await chat.direct(ada, bob))
    for new in (
        NewReport(message_id=message.id, reason="unkind"),
        NewReport(user_id=bob.user_id, reason="unkind"),
    ):
        made = [each.unwrap() for each in await asyncio.gather(*(reports.report(ada, new) for _ in range(10)))]
        assert len({receipt.id for receipt, _ in made}) == 1
        assert sum(is_new for _, is_new in made) == 1


async def test_once_a_block_is_answered_nothing_more_arrives(chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    seen: list[int] = []

    async def block() -> None:
        (await chat.stage[BlockService].block(ada, NewBlock(user_id=bob.user_id))).unwrap()
        seen.append((await chat.view(ada, talk)).last_seq)

    async def write() -> str:
        return code_of(await chat.messages.post(bob, talk, NewMessage(client_id=uuid4(), content="hello")))

    codes = await asyncio.gather(*(write() for _ in range(30)), block(), *(write() for _ in range(30)))
    assert set(codes) <= {"", "BLOCKED", None}
    assert (await chat.view(ada, talk)).last_seq == seen[0] == list(codes).count("")
    assert await write() == "BLOCKED"


async def test_what_is_cancelled_is_not_sent(plaza: Stage, chat: Chat) -> None:
    scheduled = plaza[ScheduledService]
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    at = plaza.clock.now() + timedelta(hours=1)
    ids = [
        (await scheduled.schedule(ada, NewScheduled(conversation_id=talk, content="later", send_at=at))).unwrap().id
        for _ in range(30)
    ]
    both = await asyncio.gather(*(call for id in ids for call in (scheduled.send(id), scheduled.cancel(ada, id))))
    cancelled = {id for id, each in zip(ids, both[1::2], strict=True) if code_of(each) == ""}
    sent = [each.client_id for each in await chat.history(bob, talk)]
    assert Counter([*sent, *cancelled]) == Counter(ids), "each is either sent or cancelled"
    plaza.clock.advance(timedelta(hours=1))
    await jobs_done(plaza)
    assert [each.client_id for each in await chat.history(bob, talk)] == sent

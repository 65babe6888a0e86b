"""What people keep for themselves, and what is sent later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from plaza.chat.schemas import NewMessage
from plaza.chat.schemas.marks import DraftText, Mute, NewScheduled
from plaza.chat.service.marks import FOREVER, DraftService, OwnSettingsService, SavedService
from plaza.chat.service.scheduled import ScheduledService
from plaza.core.db import PageRequest
from plaza.domain_events.chat import MessageId
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line
from tests.identity.builders import jobs_done
from tests.support.stage import Stage

ALL = PageRequest(limit=100)


async def test_saved_messages_are_their_owners_own(plaza: Stage, chat: Chat) -> None:
    saved = plaza[SavedService]
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    talk, team = await chat.direct(ada, bob), await chat.group(bob, ada)
    first, second = await chat.say(bob, talk), await chat.say(bob, team)
    for message in (first, second, first):
        (await saved.save(ada, message.conversation_id, message.id)).unwrap()
    assert {each.id for each in (await saved.page(ada, ALL)).unwrap().items} == {first.id, second.id}
    assert (await saved.page(bob, ALL)).unwrap().items == []
    (seen,) = await chat.history(ada, talk)
    assert seen.saved
    assert not (await chat.history(bob, talk))[0].saved
    assert code_of(await saved.save(stranger, talk, first.id)) == "CONVERSATION_NOT_FOUND"
    assert code_of(await saved.save(ada, talk, second.id)) == "MESSAGE_NOT_FOUND"
    await chat.remove(bob, team, ada)
    assert [each.id for each in (await saved.page(ada, ALL)).unwrap().items] == [first.id]
    (await saved.forget(ada, talk, first.id)).unwrap()
    assert (await saved.page(ada, ALL)).unwrap().items == []


async def test_a_draft_waits_on_every_device(plaza: Stage, chat: Chat) -> None:
    drafts = plaza[DraftService]
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    talk = await chat.direct(ada, bob)
    async with line(plaza, ada) as phone, line(plaza, bob) as bobs:
        (await drafts.put(ada, talk, DraftText(content="Dear"))).unwrap()
        (await drafts.put(ada, talk, DraftText(content="Dear Bob"))).unwrap()
        await phone.next("sync", what="drafts")
        (await drafts.remove(bob, talk)).unwrap()
        assert [each["type"] for each in bobs.seen] == ["ready"]
    (draft,) = (await drafts.page(ada, ALL)).unwrap().items
    assert (draft.conversation_id, draft.content) == (talk, "Dear Bob")
    assert (await drafts.page(bob, ALL)).unwrap().items == []
    refused = [
        await drafts.put(stranger, talk, DraftText(content="hi")),
        await drafts.put(ada, talk, DraftText(content=" ")),
        await drafts.put(ada, talk, DraftText(content="x" * 10_001)),
    ]
    assert [code_of(each) for each in refused] == ["CONVERSATION_NOT_FOUND", "EMPTY_CONTENT", "CONTENT_TOO_LONG"]
    (await drafts.remove(ada, talk)).unwrap()
    assert (await drafts.page(ada, ALL)).unwrap().items == []


async def test_muting_and_archiving_are_ones_own(plaza: Stage, chat: Chat) -> None:
    own = plaza[OwnSettingsService]
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    talk = await chat.direct(ada, bob)
    until = plaza.clock.now() + timedelta(hours=8)
    muted = (await own.mute(ada, talk, Mute(until=until, notifications="mentions"))).unwrap().my
    assert (muted.muted_until, muted.notifications) == (until, "mentions")
    muted = (await own.mute(ada, talk, Mute())).unwrap().my
    assert (muted.muted_until, muted.notifications) == (FOREVER, "none")
    archived = (await own.archive(ada, talk)).unwrap().my
    assert archived.archived_at == plaza.clock.now()
    bobs = (await chat.view(bob, talk)).my
    assert (bobs.muted_until, bobs.archived_at) == (None, None)
    unmuted = (await own.unmute(ada, talk)).unwrap().my
    assert (unmuted.muted_until, unmuted.notifications) == (None, "all")
    assert (await own.unarchive(ada, talk)).unwrap().my.archived_at is None
    assert code_of(await own.archive(stranger, talk)) == "CONVERSATION_NOT_FOUND"
    await chat.leave(ada, talk)
    assert code_of(await own.mute(ada, talk, Mute())) == "NOT_PARTICIPANT"


async def test_a_scheduled_message_is_sent_in_its_time_and_once(plaza: Stage, chat: Chat) -> None:
    scheduled = plaza[ScheduledService]
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    at = plaza.clock.now() + timedelta(hours=1)
    new = NewScheduled(conversation_id=talk, content="good morning", send_at=at)
    made = (await scheduled.schedule(ada, new)).unwrap()
    other = (await scheduled.schedule(ada, new)).unwrap()
    assert [each.id for each in (await scheduled.page(ada, ALL)).unwrap().items] == [made.id, other.id]
    assert (await scheduled.page(bob, ALL)).unwrap().items == []
    assert code_of(await scheduled.cancel(bob, other.id)) == "SCHEDULED_NOT_FOUND"
    (await scheduled.cancel(ada, other.id)).unwrap()
    assert code_of(await scheduled.cancel(ada, other.id)) == "SCHEDULED_NOT_FOUND"
    await jobs_done(plaza)
    assert await chat.history(bob, talk) == []

    plaza.clock.advance(timedelta(hours=1, seconds=1))
    async with line(plaza, bob) as bobs:
        sent = (await bobs.next("message.new"))["message"]
    assert (sent["content"], sent["client_id"], sent["sender_id"]) == ("good morning", str(made.id), str(ada.user_id))
    await jobs_done(plaza)
    (await scheduled.send(made.id)).unwrap()  # as after a death before it was noted
    assert len(await chat.history(bob, talk)) == 1
    assert (await scheduled.page(ada, ALL)).unwrap().items == []


async def test_what_may_not_be_said_any_more_is_told_to_its_author(plaza: Stage, chat: Chat) -> None:
    scheduled = plaza[ScheduledService]
    ada, bob = await chat.people("Ada", "Bob")
    team = await chat.group(ada, bob)
    at = plaza.clock.now() + timedelta(hours=1)
    new = NewScheduled(conversation_id=team, content="late", send_at=at)
    (await scheduled.schedule(bob, new)).unwrap()
    await chat.remove(ada, team, bob)
    plaza.clock.advance(timedelta(hours=2))
    await jobs_done(plaza)
    (failed,) = (await scheduled.page(bob, ALL)).unwrap().items
    assert (failed.state, failed.problem) == ("failed", "NOT_PARTICIPANT")
    assert "late" not in [each.content for each in await chat.history(ada, team)]
    (await scheduled.cancel(bob, failed.id)).unwrap()
    assert (await scheduled.page(bob, ALL)).unwrap().items == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"content": " "}, "EMPTY_CONTENT"),
        ({"content": "x" * 10_001}, "CONTENT_TOO_LONG"),
        ({"send_at": timedelta(seconds=-1)}, "INVALID_SEND_TIME"),
        ({"send_at": timedelta(days=400)}, "INVALID_SEND_TIME"),
    ],
)
async def test_what_cannot_be_scheduled(plaza: Stage, chat: Chat, change: dict[str, Any], code: str) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    given = {"content": "hi", "send_at": timedelta(hours=1), **change}
    new = NewScheduled(conversation_id=talk, content=given["content"], send_at=plaza.clock.now() + given["send_at"])
    assert code_of(await plaza[ScheduledService].schedule(ada, new)) == code
    assert (await plaza[ScheduledService].page(ada, ALL)).unwrap().items == []


async def test_over_http(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = (await chat.messages.post(bob, talk, NewMessage(client_id=uuid4(), content="hello"))).unwrap().message
    http, at = await chat.http(ada), (plaza.clock.now() + timedelta(hours=1)).isoformat()
    base = "/api/v1/chat"
    place = f"{base}/conversations/{talk}"
    assert (await http.post(f"{place}/messages/{said.id}/save")).status_code == 204
    assert [each["id"] for each in (await http.get(f"{base}/saved")).json()["items"]] == [str(said.id)]
    assert (await http.delete(f"{place}/messages/{MessageId(said.id)}/save")).status_code == 204
    assert (await http.put(f"{base}/drafts/{talk}", json={"content": "Dear"})).json()["content"] == "Dear"
    assert len((await http.get(f"{base}/drafts")).json()["items"]) == 1
    assert (await http.delete(f"{base}/drafts/{talk}")).status_code == 204
    new = {"conversation_id": str(talk), "content": "later", "send_at": at}
    made = await http.post(f"{base}/scheduled", json=new)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    assert (await http.delete(f"{base}/scheduled/{made.json()['id']}")).status_code == 204
    assert (await http.post(f"{place}/mute")).json()["my"]["muted_until"] is not None
    assert (await http.post(f"{place}/mute", json={"notifications": "all"})).json()["code"] == "VALIDATION_ERROR"
    assert (await http.post(f"{place}/unmute")).json()["my"]["muted_until"] is None
    assert (await http.post(f"{place}/archive")).json()["my"]["archived_at"] is not None
    assert (await http.post(f"{place}/unarchive")).json()["my"]["archived_at"] is None

"""Reports: who may make them, and what staff do about them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from plaza.audit import AuditFilter, AuditService
from plaza.chat.models import ReportState
from plaza.chat.schemas import MessageView
from plaza.chat.schemas.reports import NewReport, ReportAction, ReportView, Resolution
from plaza.chat.service.reports import ReportService
from plaza.core.actor import Actor
from plaza.core.db import PageRequest
from plaza.core.ratelimit import RateLimits
from plaza.domain_events.identity import UserId
from plaza.identity import StaffService
from tests.admin.builders import a_visitor, fields, keys
from tests.chat.builders import Chat, code_of
from tests.chat.lines import line, settled
from tests.identity.builders import Person
from tests.identity.staff import a_role, somebody
from tests.support.stage import Stage

REPORTS = "/api/v1/chat/reports"


async def report(chat: Chat, who: Actor, **subject: Any) -> str:
    new = NewReport(**{"reason": "unkind", **subject})
    return code_of(await chat.stage[ReportService].report(who, new))


async def queue(chat: Chat, state: ReportState = ReportState.OPEN) -> list[ReportView]:
    return list((await chat.stage[ReportService].queue(state, PageRequest(limit=100))).unwrap().items)


async def resolve(chat: Chat, staff: Person, id: UUID, action: ReportAction) -> str:
    return code_of(await chat.stage[ReportService].resolve(staff.actor, id, Resolution(action=action)))


async def reported(chat: Chat) -> tuple[Actor, Actor, MessageView, UUID]:
    """Ada has reported what Bob wrote in a direct conversation."""
    ada, bob = await chat.people("Ada", "Bob")
    message = await chat.say(bob, await chat.direct(ada, bob), "you")
    assert await report(chat, ada, message_id=message.id) == ""
    (found,) = await queue(chat)
    return ada, bob, message, found.id


async def test_a_message_is_kept_as_it_was_reported(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    message = await chat.say(bob, await chat.direct(ada, bob), "you")
    async with line(plaza, bob) as bobs:
        assert await report(chat, ada, message_id=message.id) == ""
        assert await report(chat, ada, user_id=bob.user_id, reason="again and again") == ""
        assert [each["type"] for each in await settled(bobs)] == ["ready", "pong"], "nobody else is told"
    (await chat.edit(bob, message, "who, me?")).unwrap()
    first, second = await queue(chat)
    assert (first.reporter_id, first.reported_id, first.message_id) == (ada.user_id, bob.user_id, message.id)
    assert (first.content, first.reason, first.conversation_id) == ("you", "unkind", message.conversation_id)
    assert (second.reported_id, second.message_id, second.content) == (bob.user_id, None, None)


async def test_who_may_report_what(chat: Chat) -> None:
    ada, bob, stranger = await chat.people("Ada", "Bob", "Stranger")
    team = await chat.group(ada, bob)
    (system,) = await chat.history(ada, team)
    message, gone = await chat.say(ada, team), await chat.say(ada, team)
    (await chat.delete(ada, gone)).unwrap()
    refused = [
        await report(chat, bob),
        await report(chat, bob, message_id=message.id, user_id=ada.user_id),
        await report(chat, bob, user_id=ada.user_id, reason=" "),
        await report(chat, bob, message_id=uuid4()),
        await report(chat, stranger, message_id=message.id),
        await report(chat, bob, message_id=system.id),
        await report(chat, bob, message_id=gone.id),
        await report(chat, ada, message_id=message.id),
        await report(chat, ada, user_id=ada.user_id),
        await report(chat, ada, user_id=uuid4()),
    ]
    await chat.leave(bob, team)
    refused.append(await report(chat, bob, message_id=message.id))
    assert refused == [
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "MESSAGE_NOT_FOUND",
        "MESSAGE_NOT_FOUND",
        "SYSTEM_MESSAGE",
        "ALREADY_DELETED",
        "SAME_USER",
        "SAME_USER",
        "USER_NOT_FOUND",
        "NOT_PARTICIPANT",
    ]
    assert await queue(chat) == []


async def test_staff_delete_what_was_reported(plaza: Stage, chat: Chat) -> None:
    ada, bob, message, id = await reported(chat)
    staff = await somebody(plaza, "staff", "support")
    async with line(plaza, ada) as adas:
        assert await resolve(chat, staff, id, ReportAction.DELETE_MESSAGE) == ""
        assert (await adas.next("message.deleted"))["message_id"] == str(message.id)
    (seen,) = await chat.history(bob, message.conversation_id)
    assert (seen.content, seen.deleted_at is None) == ("", False)
    assert await queue(chat) == []
    (done,) = await queue(chat, ReportState.RESOLVED)
    assert (done.resolved_by, done.resolved_at, done.action) == (staff.id, plaza.clock.now(), "delete_message")
    assert done.content == "you"
    assert await resolve(chat, staff, id, ReportAction.NONE) == "INVALID_TRANSITION"
    wanted = AuditFilter(subject_type="report", subject_id=str(id))
    (entry,) = (await plaza[AuditService].search(wanted, PageRequest())).unwrap().items
    assert (entry.action, entry.actor_id, entry.user_id) == ("chat.report_resolved", staff.id, bob.user_id)
    assert entry.after is not None
    assert entry.after["action"] == "delete_message"


async def test_deleting_what_its_author_has_deleted_is_no_mistake(plaza: Stage, chat: Chat) -> None:
    ada, bob, message, id = await reported(chat)
    (await chat.delete(bob, message)).unwrap()
    staff = await somebody(plaza, "staff", "support")
    assert await resolve(chat, staff, id, ReportAction.DELETE_MESSAGE) == ""
    assert len(await chat.events(ada, message.conversation_id)) == 2


async def test_staff_ban_whoever_was_reported(plaza: Stage, chat: Chat) -> None:
    _, bob, _, id = await reported(chat)
    boss = await somebody(plaza, "boss", "superuser")
    reader = await somebody(plaza, "reader", await a_role(plaza, boss, "reader", "reports.read", "reports.resolve"))
    assert await resolve(chat, reader, id, ReportAction.BAN) == "PERMISSION_DENIED"
    assert len(await queue(chat)) == 1, "a refusal leaves no trace"
    staff = await somebody(plaza, "staff", "support")
    assert await resolve(chat, staff, id, ReportAction.BAN) == ""
    view = (await plaza[StaffService].view(bob.user_id)).unwrap()  # type: ignore[arg-type] # an actor's id is a user's
    assert (view.status, view.ban_reason) == ("banned", "unkind")


async def test_staff_do_the_same_on_their_site(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    talk = await chat.direct(ada, bob)
    said = [await chat.say(bob, talk, text) for text in ("one", "two")]
    for subject in ({"message_id": said[0].id}, {"message_id": said[1].id}, {"user_id": bob.user_id}):
        assert await report(chat, ada, **subject) == ""
    first, second, third = await queue(chat)
    visitor = await a_visitor(plaza)
    shown = fields(await visitor.see("/reports/detail", pk=first.id))
    assert (shown["state"], shown["reason"], shown["content"]) == ("open", "unkind", "one")
    assert keys(await visitor.see("/reports/list", state="open")) == [str(each.id) for each in (third, second, first)]
    assert "action-delete-message" not in await visitor.see("/reports/detail", pk=third.id)

    for one, action in ((first, "delete-message"), (second, "close"), (third, "ban")):
        assert (await visitor.do("reports", action, one.id)).status_code == 303
    assert [(each.action, each.resolved_by) for each in await queue(chat, ReportState.RESOLVED)] == [
        (action, visitor.person.id) for action in ("delete_message", "none", "ban")
    ]
    assert [each.content for each in await chat.history(ada, talk)] == ["", "two"]
    view = (await plaza[StaffService].view(UserId(bob.user_id))).unwrap()
    assert view.status == "banned"
    assert keys(await visitor.see("/reports/list", state="open")) == []
    assert "action-close" not in await visitor.see("/reports/detail", pk=first.id)


async def test_what_cannot_be_done_about_a_report(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    assert await report(chat, ada, user_id=bob.user_id) == ""
    (found,) = await queue(chat)
    staff = await somebody(plaza, "staff", "support")
    assert await resolve(chat, staff, found.id, ReportAction.DELETE_MESSAGE) == "VALIDATION_ERROR"
    assert await resolve(chat, staff, uuid4(), ReportAction.NONE) == "REPORT_NOT_FOUND"
    assert await queue(chat) == [found]


async def test_the_queue_is_not_filled_by_one_person(plaza: Stage, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = plaza[ReportService]
    ada, bob, joan = await chat.people("Ada", "Bob", "Joan")
    limits = RateLimits(plaza[RateLimits].redis, msgspec.structs.replace(plaza[RateLimits].settings, enabled=True))
    monkeypatch.setattr(reports, "limits", limits)
    monkeypatch.setattr(reports, "settings", msgspec.structs.replace(reports.settings, reporting="2/day"))
    codes = [await report(chat, ada, user_id=each.user_id) for each in (bob, bob, joan)]
    assert codes == ["", "", "RATE_LIMITED"]
    assert len(await queue(chat)) == 1, "said twice it is one report"


async def test_over_http(plaza: Stage, chat: Chat) -> None:
    ada, bob = await chat.people("Ada", "Bob")
    message = await chat.say(bob, await chat.direct(ada, bob), "you")
    staff = await somebody(plaza, "staff", "support")
    async with await chat.http(ada) as http, plaza.client(staff.pair.access_token) as staffs:
        body = {"message_id": str(message.id), "reason": "unkind"}
        made = [await http.post(REPORTS, json=body) for _ in range(2)]
        assert [each.status_code for each in made] == [201, 200]
        assert made[0].json() == made[1].json()
        assert set(made[0].json()) == {"id", "state", "created_at"}
        assert (await http.post(REPORTS, json={**body, "reason": ""})).json()["code"] == "VALIDATION_ERROR"
        await http.post(REPORTS, json={"user_id": str(bob.user_id), "reason": "unkind"})
        assert (await http.get(REPORTS)).json()["code"] == "PERMISSION_DENIED"
        page = (await staffs.get(f"{REPORTS}?limit=1")).json()
        assert [each["message_id"] for each in page["items"]] == [str(message.id)]
        rest = (await staffs.get(f"{REPORTS}?limit=1&cursor={page['next_cursor']}")).json()
        assert ([each["message_id"] for each in rest["items"]], rest["next_cursor"]) == ([None], None)
        path = f"{REPORTS}/{made[0].json()['id']}/resolve"
        assert (await staffs.post(path, json={"action": "shout"})).json()["code"] == "VALIDATION_ERROR"
        done = await staffs.post(path, json={"action": "none"})
        assert (done.status_code, done.json()["state"], done.json()["action"]) == (200, "resolved", "none")
        listed = (await staffs.get(f"{REPORTS}?state=resolved")).json()
        assert [each["id"] for each in listed["items"]] == [made[0].json()["id"]]
    assert len(await chat.history(ada, message.conversation_id)) == 1

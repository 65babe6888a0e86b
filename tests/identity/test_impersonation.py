"""Staff acting as a person: half an hour, no credentials, no permissions, and not a trace missing."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import websockets
from sqlalchemy import text

from plaza.core.db import PageRequest
from plaza.core.errors import Unauthenticated
from plaza.domain_events.identity import SessionId
from plaza.identity import Origin, SessionService, TokenService
from plaza.identity.errors import TokenStale
from plaza.identity.models import EndReason
from plaza.identity.schemas import ImpersonationView, Proof, ReasonInput
from plaza.identity.service import ImpersonationService, LoginGate, RoleService, StaffService
from tests.chat.builders import Chat
from tests.identity.builders import HERE, Person, is_accepted, jobs_done, mails_to
from tests.identity.staff import audited, code_of, logged_in_again, somebody
from tests.support.callers import callers
from tests.support.clock import ManualClock
from tests.support.outside import PATIENCE_S, Socket
from tests.support.stage import Stage

WHY = ReasonInput(reason="Ticket 4711")


async def two(plaza: Stage) -> tuple[Person, Person]:
    return await somebody(plaza, "helper", "manager"), await somebody(plaza, "ada")


async def started(plaza: Stage, by: Person, whom: Person) -> ImpersonationView:
    return (await plaza[ImpersonationService].start(by.actor, whom.id, WHY, HERE)).unwrap()


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


async def test_the_token_names_both_and_lasts_half_an_hour(plaza: Stage, clock: ManualClock) -> None:
    helper, ada = await two(plaza)
    http = plaza.client(helper.pair.access_token)
    answer = await http.post(f"/api/v1/admin/users/{ada.id}/impersonate", json={"reason": "Ticket 4711"})
    body = answer.json()
    assert (answer.status_code, body["expires_in"], body["user"]["id"]) == (200, 1800, str(ada.id))
    assert "refresh_token" not in body
    assert answer.headers["cache-control"] == "no-store"
    claims = claims_of(body["access_token"])
    assert (claims["sub"], claims["act"]) == (str(ada.id), {"sub": str(helper.id)})
    assert claims["exp"] - claims["iat"] == 1800
    assert {"permissions", "staff", "superuser"}.isdisjoint(claims)
    me = await plaza.client(body["access_token"]).get("/api/v1/auth/user")
    assert (me.status_code, me.json()["email"]) == (200, ada.email)
    clock.advance(timedelta(minutes=30))
    assert not await is_accepted(plaza, body["access_token"])


async def test_neither_credentials_nor_staff_routes(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    http = plaza.client((await started(plaza, helper, ada)).access_token)
    for method, path in (
        ("GET", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/logout-all"),
        ("POST", "/api/v1/auth/ws-ticket"),
        ("POST", "/api/v1/auth/password/change"),
    ):
        refused = await http.request(method, path, json=None if method == "GET" else {})
        assert (refused.status_code, refused.json()["code"]) == (403, "IMPERSONATION_FORBIDDEN"), path
    for path in ("/api/v1/admin/users", "/api/v1/admin/roles", "/api/v1/admin/audit"):
        assert (await http.get(path)).json()["code"] == "PERMISSION_DENIED"
    assert await is_accepted(plaza, ada.pair.access_token)


@asynccontextmanager
async def line_of(plaza: Stage, view: ImpersonationView, path: str = "/ws") -> AsyncIterator[Socket]:
    header = {"Authorization": f"Bearer {view.access_token}"}
    async with websockets.connect(f"{plaza.socket_url}{path}", additional_headers=header) as connection:
        socket = Socket(connection)
        await socket.next("ready")
        yield socket


async def test_beginning_and_end_and_everything_between_name_both(
    plaza: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "plaza.access")
    helper, ada = await two(plaza)
    group = await Chat(plaza).group(ada.actor, (await somebody(plaza, "grace")).actor)
    messages = f"/api/v1/chat/conversations/{group}/messages"
    view = await started(plaza, helper, ada)
    acting = await plaza[TokenService].authenticate(view.access_token)
    assert (acting.user_id, acting.impersonator_id) == (ada.id, helper.id)
    http = plaza.client(view.access_token, **{"X-Request-ID": "helping-7"})
    assert (await http.patch("/api/v1/auth/profile", json={"bio": "Helped"})).status_code == 200
    sent = await http.post(messages, json={"client_id": str(uuid4()), "content": "by request"})
    assert sent.status_code == 201, sent.text
    assert (await http.delete(f"{messages}/{sent.json()['id']}")).status_code == 204
    async with line_of(plaza, view) as socket:
        said = await socket.send("message.send", conversation_id=str(group), client_id=str(uuid4()), content="by frame")
        message = (await socket.next("ack", ref=said))["message"]
        for frame, given in (
            ("message.edit", {"message_id": message["id"], "content": "edited"}),
            ("read", {"conversation_id": str(group), "seq": message["seq"]}),
            ("presence.set", {"status": "dnd"}),
        ):
            await socket.next("ack", ref=await socket.send(frame, **given))
    ended = await http.post("/api/v1/auth/logout")
    assert ended.status_code == 204
    assert not await is_accepted(plaza, view.access_token)
    assert await is_accepted(plaza, ada.pair.access_token)

    (begun,) = await audited(plaza, "identity.impersonation_started")
    assert (begun.actor_id, begun.user_id, begun.after["reason"]) == (helper.id, ada.id, "Ticket 4711")
    acted = await audited(plaza, "identity.impersonator_acted")
    (over,) = await audited(plaza, "identity.impersonation_ended")
    for each in (*acted, over):
        assert (each.actor_id, each.impersonator_id, each.user_id) == (ada.id, helper.id, ada.id)
        assert each.subject_id == begun.subject_id == str(view.session_id)
    where = {"conversation_id": str(group)}
    route = "/api/v1/chat/conversations/{conversation_id}/messages"
    assert [each.after for each in acted] == [
        {"method": "PATCH", "route": "/api/v1/auth/profile"},
        {"method": "POST", "route": route, **where},
        {"method": "DELETE", "route": f"{route}/{{message_id}}", **where, "message_id": sent.json()["id"]},
        {"frame": "message.send", **where},
        {"frame": "message.edit", **where, "message_id": message["id"]},
        {"frame": "read", **where},
        {"frame": "presence.set"},
        {"method": "POST", "route": "/api/v1/auth/logout"},
    ]
    assert [each.correlation_id == "helping-7" for each in acted] == [True] * 3 + [False] * 4 + [True]
    assert over.after == {"reason": "logout", "impersonator_id": str(helper.id)}
    assert (await plaza.client(ada.pair.access_token).get("/api/v1/auth/user")).status_code == 200
    lines = [vars(record) for record in caplog.records if record.name == "plaza.access"]
    assert {line["user_id"] for line in lines} == {str(ada.id)}
    assert [line.get("impersonator_id") for line in lines] == [str(helper.id)] * 4 + [None]


async def test_what_did_nothing_leaves_no_entry(plaza: Stage) -> None:
    """Refused, replayed, or passing; and what the person does is theirs alone."""
    helper, ada = await two(plaza)
    grace = await somebody(plaza, "grace")
    group = await Chat(plaza).group(ada.actor, grace.actor)
    strangers = await Chat(plaza).direct(helper.actor, grace.actor)
    view = await started(plaza, helper, ada)
    http = plaza.client(view.access_token)
    new = {"client_id": str(uuid4()), "content": "hello"}
    refused = await http.post(f"/api/v1/chat/conversations/{strangers}/messages", json=new)
    assert refused.status_code == 404
    assert (await http.get(f"/api/v1/chat/conversations/{group}/messages")).status_code == 200
    assert (await http.post("/api/v1/auth/users/lookup", json={"email": grace.email})).status_code in (200, 404)
    assert (await http.post("/api/v1/chat/presence/heartbeat")).status_code == 200
    async with line_of(plaza, view) as socket:
        await socket.next("error", ref=await socket.send("read", conversation_id=str(strangers), seq=0))
        watch = await socket.send("presence.watch", user_ids=[str(grace.id)])
        await socket.next("ack", ref=watch)
        await socket.send("typing", conversation_id=str(group), is_typing=True)
        await socket.next("pong", ref=await socket.send("ping"))
    own = await plaza.client(ada.pair.access_token).patch("/api/v1/auth/profile", json={"bio": "My own"})
    assert own.status_code == 200
    assert await audited(plaza, "identity.impersonator_acted") == []

    for replayed in (None, "true"):
        answer = await http.post(
            f"/api/v1/chat/conversations/{group}/messages", json=new, headers={"Idempotency-Key": "once"}
        )
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, replayed)
    assert len(await audited(plaza, "identity.impersonator_acted")) == 1


async def test_the_code_of_a_link_is_not_written_down(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    group = await Chat(plaza).group(ada.actor)
    http = plaza.client((await started(plaza, helper, ada)).access_token)
    links = f"/api/v1/chat/conversations/{group}/invite-links"
    made = await http.post(links, json={})
    assert (await http.delete(f"{links}/{made.json()['code']}")).status_code == 204
    acted = await audited(plaza, "identity.impersonator_acted")
    assert [each.after["method"] for each in acted] == ["POST", "DELETE"]
    assert made.json()["code"] not in str(acted)


async def test_an_impersonators_frames_keep_their_order(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    group = await Chat(plaza).group(ada.actor)
    view = await started(plaza, helper, ada)
    words = [f"word {number}" for number in range(20)]
    async with line_of(plaza, view, f"/ws/chat/{group}") as socket:
        refs = [await socket.send("message.send", client_id=str(uuid4()), content=word) for word in words]
        for ref in refs:
            await socket.heard("ack", ref=ref)
    history = await Chat(plaza).history(ada.actor, group)
    assert [each.content for each in sorted(history, key=lambda each: each.seq) if each.system is None] == words


async def test_one_that_nobody_ends_ends_by_itself(plaza: Stage, clock: ManualClock) -> None:
    helper, ada = await two(plaza)
    await started(plaza, helper, ada)
    impersonations = plaza[ImpersonationService]
    assert (await impersonations.expire()).unwrap() == 0
    clock.advance(timedelta(minutes=30))
    assert (await impersonations.expire()).unwrap() == 1
    assert (await impersonations.expire()).unwrap() == 0
    (over,) = await audited(plaza, "identity.impersonation_ended")
    assert (over.actor_id, over.user_id) == (None, ada.id)
    assert over.after == {"reason": "impersonation_over", "impersonator_id": str(helper.id)}


async def test_an_end_is_remembered_as_long_as_the_token_lives(plaza: Stage, clock: ManualClock) -> None:
    """Longer than an ordinary access token."""
    helper, ada = await two(plaza)
    view = await started(plaza, helper, ada)
    (await plaza[StaffService].end_sessions(helper.actor, ada.id)).unwrap()
    for _ in range(29):
        clock.advance(timedelta(minutes=1))
        await plaza[TokenService].watch.load()
        with pytest.raises(Unauthenticated):
            await plaza[TokenService].authenticate(view.access_token)


async def test_staff_are_not_impersonated(plaza: Stage) -> None:
    boss = await somebody(plaza, "boss", "superuser")
    for role in ("staff", "support", "admin", "superuser"):
        target = await somebody(plaza, f"x{role}", role)
        assert (
            code_of(await plaza[ImpersonationService].start(boss.actor, target.id, WHY, HERE)) == "CANNOT_IMPERSONATE"
        )
    seller = await somebody(plaza, "seller", "vendor")
    await started(plaza, boss, seller)
    assert len(await audited(plaza, "identity.impersonation_started")) == 1


async def test_who_becomes_staff_is_not_impersonated_any_longer(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    view = await started(plaza, helper, ada)
    (await plaza[RoleService].assign(ada.id, "support")).unwrap()
    with pytest.raises(TokenStale):
        await plaza[TokenService].authenticate(view.access_token)


async def test_only_usable_accounts_and_never_oneself(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    start = plaza[ImpersonationService].start
    assert code_of(await start(helper.actor, helper.id, WHY, HERE)) == "OWN_ACCOUNT"
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = 'deactivated' where id = :id"), {"id": ada.id})
    assert code_of(await start(helper.actor, ada.id, WHY, HERE)) == "CANNOT_IMPERSONATE"
    support = await somebody(plaza, "sup", "support")
    assert code_of(await start(support.actor, ada.id, WHY, HERE)) == "PERMISSION_DENIED"
    assert await audited(plaza, "identity.impersonation_started") == []


async def test_an_impersonator_does_not_start_another(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    eve = await somebody(plaza, "eve")
    view = await started(plaza, helper, ada)
    refused = await plaza.client(view.access_token).post(
        f"/api/v1/admin/users/{eve.id}/impersonate", json={"reason": "More"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")


async def test_it_is_not_the_persons_own_login(plaza: Stage) -> None:
    """Neither in their list nor in what is known of their devices; staff see it, and who it is."""
    helper, ada = await two(plaza)
    async with plaza.runtime.db.reader.connect() as connection:
        before = (
            await connection.execute(text("select last_login_at from identity_user where id = :id"), {"id": ada.id})
        ).scalar()
    view = await started(plaza, helper, ada)
    own = (await plaza[SessionService].live(ada.actor, PageRequest())).unwrap().items
    assert [each.id for each in own] == [ada.actor.session_id]
    seen = (await plaza[StaffService].open_sessions(ada.id, PageRequest())).unwrap().items
    assert (seen[0].id, seen[0].impersonator_id) == (view.session_id, helper.id)
    assert (await plaza[StaffService].view(ada.id)).unwrap().last_login_at == before


async def test_a_ban_or_logout_everywhere_ends_it_too(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    view = await started(plaza, helper, ada)
    (await plaza[SessionService].logout_all(ada.actor)).unwrap()
    assert not await is_accepted(plaza, view.access_token)


async def test_it_does_not_outlive_what_the_impersonator_takes_back(plaza: Stage) -> None:
    """Whoever had their session, and began it, is out with everybody else."""
    helper, ada = await two(plaza)
    sessions = plaza[SessionService]
    view = await started(plaza, helper, ada)
    (await sessions.end_others(helper.actor, EndReason.CREDENTIALS_CHANGED)).unwrap()
    assert not await is_accepted(plaza, view.access_token)
    for reason in (EndReason.LOGOUT_ALL, EndReason.CREDENTIALS_CHANGED, EndReason.ENDED_BY_STAFF):
        view = await started(plaza, helper, ada)
        (await sessions.end_all(helper.id, reason)).unwrap()
        assert not await is_accepted(plaza, view.access_token)
        helper = await logged_in_again(plaza, helper.id, helper.email)
    assert await is_accepted(plaza, ada.pair.access_token)
    assert {each.after["reason"] for each in await audited(plaza, "identity.impersonation_ended")} == {
        "impersonation_over"
    }


async def test_it_ends_with_the_session_that_began_it(plaza: Stage, clock: ManualClock) -> None:
    """Whichever way that one ends; another one's end takes nobody else's with it."""
    sessions, boss = plaza[SessionService], await somebody(plaza, "boss", "superuser")
    helper, ada = await two(plaza)
    others = await started(plaza, boss, ada)

    async def logs_out(by: Person) -> None:
        (await sessions.logout(by.actor, None)).unwrap()

    async def gives_the_refresh_token_back(by: Person) -> None:
        (await sessions.logout(None, by.refresh_token)).unwrap()

    async def ends_it_from_the_list(by: Person) -> None:
        assert by.actor.session_id is not None
        (await sessions.end(by.actor, SessionId(by.actor.session_id))).unwrap()

    async def is_ended_by_staff(by: Person) -> None:
        assert by.actor.session_id is not None
        (await plaza[StaffService].end_session(boss.actor, by.id, SessionId(by.actor.session_id))).unwrap()

    async def is_copied(by: Person) -> None:
        second = (await sessions.refresh(by.refresh_token, HERE)).unwrap().refresh_token
        assert second is not None
        (await sessions.refresh(second, HERE)).unwrap()
        assert code_of(await sessions.refresh(by.refresh_token, HERE)) == "UNAUTHENTICATED"

    for happens in (
        logs_out,
        gives_the_refresh_token_back,
        ends_it_from_the_list,
        is_ended_by_staff,
        is_copied,
    ):
        view = await started(plaza, helper, ada)
        await happens(helper)
        assert not await is_accepted(plaza, helper.pair.access_token), happens
        assert not await is_accepted(plaza, view.access_token), happens
        entry = (await audited(plaza, "identity.impersonation_ended"))[-1]
        assert (entry.subject_id, entry.after["reason"]) == (str(view.session_id), "impersonation_over")
        helper = await logged_in_again(plaza, helper.id, helper.email)
    for token in (others.access_token, boss.pair.access_token, ada.pair.access_token):
        assert await is_accepted(plaza, token)


async def test_a_session_that_has_ended_begins_none(plaza: Stage) -> None:
    """Also before the token of it is refused: the two wait for each other's lock."""
    helper, ada = await two(plaza)
    (await plaza[SessionService].logout(helper.actor, None)).unwrap()
    refused = await plaza[ImpersonationService].start(helper.actor, ada.id, WHY, HERE)
    assert code_of(refused) == "UNAUTHENTICATED"
    assert await audited(plaza, "identity.impersonation_started") == []


async def test_to_be_somebody_no_longer_ends_nothing_else(plaza: Stage) -> None:
    helper, ada = await two(plaza)
    view, eve = await started(plaza, helper, ada), await somebody(plaza, "eve")
    second = await started(plaza, helper, eve)
    acting = await plaza[TokenService].authenticate(view.access_token)
    (await plaza[SessionService].logout(acting, None)).unwrap()
    assert not await is_accepted(plaza, view.access_token)
    assert await is_accepted(plaza, second.access_token)
    assert await is_accepted(plaza, helper.pair.access_token)


@pytest.mark.parametrize("told", [False, True])
async def test_the_person_hears_of_it_where_the_operator_wants_that(plaza: Stage, told: bool) -> None:
    helper, ada = await two(plaza)
    async with callers(plaza, PLAZA_IDENTITY_IMPERSONATION_NOTICE=str(told).lower()) as api:
        answer = await api.at(token=helper.pair.access_token).post(
            f"/api/v1/admin/users/{ada.id}/impersonate", json={"reason": "Ticket 4711"}
        )
        assert answer.status_code == 200
    await jobs_done(plaza)
    mails = await mails_to(plaza, ada.email, at_least=int(told))
    assert ["Ticket 4711" in each["body"] for each in mails] == [True] * told


async def test_its_socket_is_closed_when_it_is_over(plaza: Stage, clock: ManualClock) -> None:
    helper, ada = await two(plaza)
    view = await started(plaza, helper, ada)
    async with line_of(plaza, view) as socket:
        clock.advance(timedelta(minutes=30))
        (await plaza[ImpersonationService].expire()).unwrap()
        await asyncio.wait_for(socket.connection.wait_closed(), PATIENCE_S)
        assert socket.connection.close_code == 4401


async def test_the_impersonators_device_is_not_the_persons(plaza: Stage) -> None:
    """A login from there is told to them like one from any new device."""
    helper, ada = await two(plaza)
    strange = Origin(ip="198.51.100.7", user_agent="HelpDesk/1.0")
    (await plaza[ImpersonationService].start(helper.actor, ada.id, WHY, strange)).unwrap()
    await plaza.runtime.db.run(lambda: plaza[LoginGate].admit(ada.id, Proof(methods=("pwd",)), strange))
    await jobs_done(plaza)
    (mail,) = await mails_to(plaza, ada.email)
    assert "new login" in mail["body"]

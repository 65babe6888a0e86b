"""The waitlist: hours of patience after the first complete profile, everywhere, and no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
import websockets
from sqlalchemy import text

from plaza.core.actor import Actor
from plaza.identity import CallerService, ProfileService, SessionService, StaleWatch, TicketService, TokenService
from plaza.identity.errors import TokenStale
from plaza.identity.schemas import BanInput, NewApiKey, ProfilePatch, UserPatch
from plaza.identity.service import ApiKeyService, StaffService, WaitlistService
from tests.identity.builders import HERE, Person
from tests.identity.staff import logged_in_again, somebody
from tests.identity.test_revocation import another_process
from tests.support.outside import PATIENCE_S, Socket
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.statements import statements
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
async def waiting_stage(servers: TestServers) -> AsyncIterator[Stage]:
    """Its own, because the setting is read once at start."""
    async with Stage(servers.database_url, servers.redis_url, worker=False, PLAZA_IDENTITY_WAITLIST="true") as stage:
        yield stage


@pytest.fixture
async def place(plaza: Stage, waiting_stage: Stage) -> AsyncIterator[Stage]:
    """After `plaza`, whose worker would meet the tables that are emptied."""
    waiting_stage.clock.reset()
    waiting_stage.internal_errors.clear()
    yield waiting_stage
    await waiting_stage.close_clients()
    waiting_stage.raise_internal_errors()


async def complete(stage: Stage, person: Person, username: str) -> None:
    (await stage[ProfileService].change_profile(person.actor, ProfilePatch(username=username))).unwrap()


async def status_of(stage: Stage, person: Person) -> str:
    return (await stage[StaffService].view(person.id)).unwrap().status


async def waits_until(stage: Stage, person: Person) -> datetime:
    until = (await stage[StaffService].view(person.id)).unwrap().waitlisted_until
    assert until is not None
    return until


async def refreshed(stage: Stage, person: Person) -> Person:
    pair = (await stage[SessionService].refresh(person.refresh_token, HERE)).unwrap()
    return Person(person.id, person.email, pair, await stage[TokenService].authenticate(pair.access_token))


async def code_for(stage: Stage, person: Person, path: str, method: str = "GET") -> str:
    answer = await stage.client(person.pair.access_token).request(method, path)
    return "" if answer.is_success else str(answer.json()["code"])


async def test_it_is_off_by_default(plaza: Stage) -> None:
    ada = await somebody(plaza, "ada")
    await complete(plaza, ada, "ada")
    assert await status_of(plaza, ada) == "active"
    assert await code_for(plaza, ada, "/api/v1/chat/conversations") == ""


async def test_the_first_complete_profile_begins_a_random_wait(place: Stage) -> None:
    waits = set()
    for n in range(30):
        person = await somebody(place, f"p{n}")
        await complete(place, person, f"person{n}")
        assert await status_of(place, person) == "waitlisted"
        waits.add(await waits_until(place, person) - place.clock.now())
    assert timedelta(hours=3.5) - timedelta(seconds=1) <= min(waits)
    assert max(waits) <= timedelta(hours=4)
    assert len(waits) > 10


async def test_meanwhile_only_the_own_profile_is_open(place: Stage) -> None:
    ada = await somebody(place, "ada")
    assert await code_for(place, ada, "/api/v1/chat/conversations") == ""
    await complete(place, ada, "ada")
    assert await code_for(place, ada, "/api/v1/auth/profile") == "TOKEN_STALE"
    ada = await refreshed(place, ada)
    assert ada.pair.user.status == "waitlisted"
    assert await code_for(place, ada, "/api/v1/auth/profile") == ""
    http = place.client(ada.pair.access_token)
    assert (await http.patch("/api/v1/auth/profile", json={"bio": "Patient."})).json()["bio"] == "Patient."
    for method, path in (
        ("GET", "/api/v1/chat/conversations"),
        ("POST", "/api/v1/chat/conversations"),
        ("GET", "/api/v1/auth/user"),
        ("PATCH", "/api/v1/auth/user"),
        ("DELETE", "/api/v1/auth/user"),
        ("GET", "/api/v1/auth/ways-in"),
        ("GET", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/logout-all"),
        ("POST", "/api/v1/auth/deactivate"),
        ("POST", "/api/v1/auth/exports"),
        ("GET", f"/api/v1/auth/users/{ada.id}"),
        ("POST", "/api/v1/auth/users/lookup"),
        ("POST", "/api/v1/auth/ws-ticket"),
    ):
        assert await code_for(place, ada, path, method) == "WAITLISTED", path


async def test_who_waits_logs_in_and_out(place: Stage) -> None:
    """Logging out is no access to anything, and a session that cannot be ended would be a danger."""
    ada = await somebody(place, "ada")
    await complete(place, ada, "ada")
    again = await logged_in_again(place, ada.id, ada.email)
    ada = await refreshed(place, ada)
    assert (await place.client(ada.pair.access_token).post("/api/v1/auth/logout")).status_code == 204
    assert await code_for(place, ada, "/api/v1/auth/profile") == "UNAUTHENTICATED"
    assert await code_for(place, again, "/api/v1/auth/profile") == ""
    by_refresh_token = {"refresh_token": again.refresh_token}
    assert (await place.client().post("/api/v1/auth/logout", json=by_refresh_token)).status_code == 204
    assert await code_for(place, again, "/api/v1/auth/profile") == "UNAUTHENTICATED"


async def test_nobody_else_can_tell(place: Stage) -> None:
    ada, eve = await somebody(place, "ada"), await somebody(place, "eve")
    http = place.client(eve.pair.access_token)
    before = (await http.get(f"/api/v1/auth/users/{ada.id}")).json()
    await complete(place, ada, "ada")
    after = (await http.get(f"/api/v1/auth/users/{ada.id}")).json()
    assert after == {**before, "username": "ada"}
    assert (await http.post("/api/v1/auth/users/lookup", json={"email": ada.email})).json() == after


async def test_the_first_request_after_the_time_lets_in(place: Stage) -> None:
    ada = await somebody(place, "ada")
    await complete(place, ada, "ada")
    place.clock.advance(await waits_until(place, ada) - place.clock.now() - timedelta(seconds=1))
    ada = await refreshed(place, ada)
    assert await code_for(place, ada, "/api/v1/chat/conversations") == "WAITLISTED"
    assert await status_of(place, ada) == "waitlisted"
    place.clock.advance(timedelta(seconds=1))
    assert await code_for(place, ada, "/api/v1/chat/conversations") == ""  # with the same token
    assert await status_of(place, ada) == "active"
    with statements(place.runtime.db) as sent:
        for _ in range(10):
            assert (await place[CallerService].authenticate(ada.pair.access_token)).waitlisted_until is None
    assert sent == []


async def test_many_requests_at_once_promote_once(place: Stage) -> None:
    ada = await somebody(place, "ada")
    await complete(place, ada, "ada")
    place.clock.advance(await waits_until(place, ada) - place.clock.now())
    ada = await refreshed(place, ada)
    waitlists = [place[WaitlistService], place[WaitlistService]]
    async with another_process(place) as other:
        waitlists.append(other.parts[WaitlistService])
        admitted = await asyncio.gather(*(each.admit(ada.id) for each in waitlists * 8))
        assert admitted == [True] * 24
        assert (await other.parts[CallerService].authenticate(ada.pair.access_token)).waitlisted_until is None
    assert await status_of(place, ada) == "active"


async def test_a_ban_shortens_nobodys_waiting(place: Stage) -> None:
    staff, ada = await somebody(place, "s", "support"), await somebody(place, "ada")
    await complete(place, ada, "ada")
    until = await waits_until(place, ada)
    (await place[StaffService].ban(staff.actor, ada.id, BanInput(reason="Spam"))).unwrap()
    assert (await place[StaffService].unban(staff.actor, ada.id)).unwrap().status == "waitlisted"
    assert await waits_until(place, ada) == until


async def test_the_sweep_lets_in_whoever_does_not_come_back(place: Stage) -> None:
    ada, late = await somebody(place, "ada"), await somebody(place, "late")
    await complete(place, ada, "ada")
    place.clock.advance(timedelta(hours=1))
    await complete(place, late, "late")
    place.clock.advance(timedelta(hours=3, minutes=1))
    (await place[WaitlistService].sweep()).unwrap()
    assert (await status_of(place, ada), await status_of(place, late)) == ("active", "waitlisted")
    assert (await logged_in_again(place, ada.id, ada.email)).actor.waitlisted_until is None


async def test_nobody_waits_twice_and_staff_do_not_wait(place: Stage) -> None:
    ada, boss = await somebody(place, "ada"), await somebody(place, "boss", "support")
    await complete(place, boss, "bosss")
    assert await status_of(place, boss) == "active"
    await complete(place, ada, "ada")
    place.clock.advance(timedelta(hours=4))
    (await place[WaitlistService].sweep()).unwrap()
    for patch in (UserPatch(username=None), UserPatch(username="ada2")):
        (await place[ProfileService].change_user(ada.actor, patch)).unwrap()
    assert await status_of(place, ada) == "active"


async def test_a_change_without_a_username_does_not_complete(place: Stage) -> None:
    ada = await somebody(place, "ada")
    (await place[ProfileService].change_profile(ada.actor, ProfilePatch(bio="Hello", first_name="Ada"))).unwrap()
    assert await status_of(place, ada) == "active"


async def test_an_api_key_waits_with_its_owner(place: Stage) -> None:
    ada = await somebody(place, "ada")
    key = (await place[ApiKeyService].create(ada.actor, NewApiKey(name="x", scopes=["chat:read"]))).unwrap()
    http = place.client(key.key)
    assert (await http.get("/api/v1/chat/conversations")).status_code == 200
    await complete(place, ada, "ada")
    assert (await http.get("/api/v1/chat/conversations")).json()["code"] == "WAITLISTED"
    place.clock.advance(timedelta(hours=4))
    assert (await http.get("/api/v1/chat/conversations")).status_code == 200


async def test_an_open_socket_is_closed_and_none_opened(place: Stage) -> None:
    ada = await somebody(place, "ada")
    header = {"Authorization": f"Bearer {ada.pair.access_token}"}
    ticket = (await place[TicketService].issue(ada.actor)).unwrap().ticket
    url = f"{place.socket_url}/ws"
    async with websockets.connect(url, additional_headers=header) as connection:
        await Socket(connection).next("ready")
        await complete(place, ada, "ada")
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert (connection.close_code, connection.close_reason) == (4403, "WAITLISTED")
    async with websockets.connect(f"{url}?ticket={ticket}") as connection:  # issued before
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert (connection.close_code, connection.close_reason) == (4403, "WAITLISTED")
    async with websockets.connect(url, additional_headers=header) as connection:
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert connection.close_code == 4001  # that token is stale
    waiting = await refreshed(place, ada)
    async with websockets.connect(url) as connection:
        await connection.send(f'{{"type":"auth","token":"{waiting.pair.access_token}"}}')
        await asyncio.wait_for(connection.wait_closed(), PATIENCE_S)
        assert (connection.close_code, connection.close_reason) == (4403, "WAITLISTED")
    place.clock.advance(timedelta(hours=4))
    waiting = await refreshed(place, waiting)
    header = {"Authorization": f"Bearer {waiting.pair.access_token}"}
    async with websockets.connect(url, additional_headers=header) as connection:
        await Socket(connection).next("ready")


async def test_every_process_hears_of_it(place: Stage) -> None:
    ada = await somebody(place, "ada")
    async with another_process(place) as other:
        there: list[object] = []
        other.parts[StaleWatch].on_waitlisted(there.append)
        tokens = other.parts[TokenService]
        assert isinstance(await tokens.authenticate(ada.pair.access_token), Actor)
        await complete(place, ada, "ada")

        async def stale() -> bool:
            try:
                await tokens.authenticate(ada.pair.access_token)
            except TokenStale:
                return True
            return False

        await eventually(stale)
        assert there == [ada.id]
        assert await other.parts[StaleWatch].is_newly_waitlisted(ada.id)


async def test_who_was_complete_before_the_waitlist_was_on_does_not_wait(plaza: Stage, place: Stage) -> None:
    ada = await somebody(plaza, "ada")
    await complete(plaza, ada, "ada")
    (await place[ProfileService].change_user(ada.actor, UserPatch(username="ada2"))).unwrap()
    assert await status_of(place, ada) == "active"
    async with place.runtime.db.reader.connect() as connection:
        found = await connection.execute(text("select count(*) from identity_profile where completed_at is not null"))
        assert found.scalar() == 1


async def test_the_end_is_spelled_in_full(place: Stage) -> None:
    ada = await somebody(place, "ada")
    await complete(place, ada, "ada")
    assert (await waits_until(place, ada)).microsecond == 1, "a whole second, as tokens have it, in six digits"

"""Whatever ends a session ends it for REST and for open sockets, also in a process that has no Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from plaza.chat.service.expiry import SocketExpiry
from plaza.core.result import Failure, ServiceResult, success
from plaza.domain_events.identity import SessionId
from plaza.identity import Origin, SessionService
from plaza.identity.models import EndReason
from plaza.identity.repository import UserRepository
from plaza.identity.service import StaleWatch
from tests.identity.builders import HERE, Person, a_person, logged_in
from tests.support.clock import ManualClock
from tests.support.outside import Socket, dialled
from tests.support.servers import TestServers
from tests.support.stage import Stage
from tests.support.statements import statements
from tests.support.waiting import eventually

ADA = "ada@example.com"


@pytest.fixture
async def other(plaza: Stage, servers: TestServers) -> AsyncIterator[Stage]:
    """A second API process, which has lost its Redis."""
    async with Stage(servers.database_url, "unix:///nonexistent/valkey.sock", worker=False) as stage:
        yield stage


@asynccontextmanager
async def socket_of(stage: Stage, person: Person) -> AsyncIterator[Socket]:
    authorization = {"Authorization": f"Bearer {person.pair.access_token}"}
    async with dialled(f"{stage.base_url}/ws", authorization) as socket:
        await socket.next("ready")
        yield socket


async def status(stage: Stage, person: Person) -> int:
    async with stage.client(person.pair.access_token) as http:
        return (await http.get("/api/v1/auth/user")).status_code


def session_of(person: Person) -> SessionId:
    assert person.actor.session_id is not None
    return SessionId(person.actor.session_id)


async def by_logout(plaza: Stage, person: Person) -> None:
    (await plaza[SessionService].logout(person.actor, None)).unwrap()


async def by_its_refresh_token(plaza: Stage, person: Person) -> None:
    (await plaza[SessionService].logout(None, person.refresh_token)).unwrap()


async def from_another_session(plaza: Stage, person: Person) -> None:
    elsewhere = await logged_in(plaza, person.email)
    (await plaza[SessionService].end(elsewhere.actor, session_of(person))).unwrap()


async def by_logout_everywhere(plaza: Stage, person: Person) -> None:
    elsewhere = await logged_in(plaza, person.email)
    (await plaza[SessionService].logout_all(elsewhere.actor)).unwrap()


async def by_a_change_of_credentials_elsewhere(plaza: Stage, person: Person) -> None:
    elsewhere = await logged_in(plaza, person.email)
    (await plaza[SessionService].end_others(elsewhere.actor, EndReason.CREDENTIALS_CHANGED)).unwrap()


async def by_closing_the_account(plaza: Stage, person: Person) -> None:
    (await plaza[SessionService].end_all(person.id, EndReason.ACCOUNT_DISABLED)).unwrap()


async def by_a_login_in_its_place(plaza: Stage, person: Person) -> None:
    await logged_in(plaza, person.email, origin=Origin(HERE.ip, HERE.user_agent, replaces=session_of(person)))


async def by_a_thief(plaza: Stage, person: Person) -> None:
    first = (await plaza[SessionService].refresh(person.refresh_token, HERE)).unwrap()
    (await plaza[SessionService].refresh(first.refresh_token or "", HERE)).unwrap()
    assert isinstance(await plaza[SessionService].refresh(person.refresh_token, HERE), Failure)


@pytest.mark.parametrize(
    "end",
    [
        by_logout,
        by_its_refresh_token,
        from_another_session,
        by_logout_everywhere,
        by_a_change_of_credentials_elsewhere,
        by_closing_the_account,
        by_a_login_in_its_place,
        by_a_thief,
    ],
    ids=lambda end: end.__name__,
)
async def test_ended(plaza: Stage, other: Stage, end: Callable[[Stage, Person], Awaitable[None]]) -> None:
    person = await a_person(plaza)
    async with socket_of(plaza, person) as here, socket_of(other, person) as there:
        assert await status(plaza, person) == await status(other, person) == 200
        await end(plaza, person)
        assert await status(plaza, person) == 401
        for socket in (here, there):
            assert (await socket.closed())[0] == 4401

        async def is_refused_there() -> bool:
            return await status(other, person) == 401

        await eventually(is_refused_there)
    other.raise_internal_errors()


async def test_its_sockets_outlive_neither_limit(plaza: Stage, clock: ManualClock) -> None:
    """7 days without a refresh, 90 days with them."""
    idle, busy = await a_person(plaza, "ida@example.com"), await a_person(plaza, "bea@example.com")
    async with socket_of(plaza, idle) as of_idle, socket_of(plaza, busy) as of_busy:
        token = busy.refresh_token
        for day in range(0, 90, 6):
            await of_busy.send("ping")
            await of_busy.next("pong")
            if day <= 6:
                await of_idle.send("ping")
                await of_idle.next("pong")
            token = (await plaza[SessionService].refresh(token, HERE)).unwrap().refresh_token or ""
            clock.advance(timedelta(days=6))
            (await plaza[SocketExpiry].look()).unwrap()
        for socket in (of_idle, of_busy):
            assert (await socket.closed())[0] == 4401


async def test_a_change_of_what_somebody_may_do_asks_for_a_new_token_and_ends_nothing(
    plaza: Stage, other: Stage
) -> None:
    person = await a_person(plaza)

    async def outdate() -> ServiceResult[int]:
        users = UserRepository(plaza.runtime.db)
        user = await users.lock(person.id)
        assert user is not None
        return success(await users.outdate(user, plaza.clock.now()))

    async with socket_of(other, person) as there:
        assert await status(other, person) == 200
        plaza[StaleWatch].outdate(person.id, (await plaza.runtime.db.run(outdate)).unwrap())

        async def is_stale_there() -> bool:
            async with other.client(person.pair.access_token) as http:
                answer = await http.get("/api/v1/auth/user")
            return (answer.status_code, answer.json().get("code")) == (401, "TOKEN_STALE")

        await eventually(is_stale_there)
        renewed = (await plaza[SessionService].refresh(person.refresh_token, HERE)).unwrap()
        async with other.client(renewed.access_token) as http:
            assert (await http.get("/api/v1/auth/user")).status_code == 200
        await there.send("ping")
        await there.next("pong")


async def test_a_request_reads_no_session_and_asks_no_redis(plaza: Stage, other: Stage) -> None:
    person = await a_person(plaza)
    assert await status(other, person) == 200
    with statements(other.runtime.db) as sent:
        for _ in range(5):
            assert await status(other, person) == 200
    assert len(sent) == 5
    assert not any("session" in statement for statement in sent)

"""An ended session is refused everywhere at once, without Redis and without a read per request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.errors import Unauthenticated
from plaza.domain_events.identity import SessionId
from plaza.identity import NewUser, Origin, SessionService, SessionWatch, TokenService, UserService
from tests.identity.builders import HERE, a_person, logged_in
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for
from tests.support.statements import statements
from tests.support.waiting import eventually


@asynccontextmanager
async def another_process(plaza: Stage, *, listening: bool = True) -> AsyncIterator[Runtime]:
    """It has a listener and no Redis."""
    url = plaza.configuration.plaza.database_url
    runtime = Runtime(configuration_for(url, "unix:///nonexistent/valkey.sock"), "other", clock=plaza.clock)
    task = asyncio.create_task(runtime.listener.run()) if listening else None
    try:
        yield runtime
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await runtime.close()


async def is_refused(runtime: Runtime, token: str) -> bool:
    try:
        await runtime.parts[TokenService].authenticate(token)
    except Unauthenticated:
        return True
    return False


async def test_every_process_refuses_an_ended_session_without_redis(plaza: Stage) -> None:
    person = await a_person(plaza)
    async with another_process(plaza) as other:
        assert not await is_refused(other, person.pair.access_token)
        (await plaza[SessionService].logout(person.actor, None)).unwrap()
        assert await is_refused(plaza.runtime, person.pair.access_token)  # at once in the process that ended it
        await eventually(lambda: is_refused(other, person.pair.access_token))


async def test_what_ended_before_the_start_is_known(plaza: Stage) -> None:
    person = await a_person(plaza)
    (await plaza[SessionService].logout(person.actor, None)).unwrap()
    async with another_process(plaza, listening=False) as other:
        assert await is_refused(other, person.pair.access_token)


async def test_what_ended_while_nobody_listened_is_caught_up_with(plaza: Stage) -> None:
    person = await a_person(plaza)
    async with another_process(plaza) as other:
        assert not await is_refused(other, person.pair.access_token)
        async with plaza.runtime.db.engine.begin() as connection:
            await connection.execute(
                text("update identity_session set revoked_at = :now, revoked_reason = 'ended'"),
                {"now": plaza.clock.now()},
            )  # as if its notification had been lost
            await connection.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name = 'plaza-listen' and datname = current_database()"
                )
            )
        await eventually(lambda: is_refused(other, person.pair.access_token))


async def test_a_rolled_back_end_ends_nothing(plaza: Stage) -> None:
    person = await a_person(plaza)

    async def body() -> None:
        (await plaza[SessionService].logout(person.actor, None)).unwrap()
        raise RuntimeError("afterwards")

    with pytest.raises(RuntimeError, match="afterwards"):
        await plaza.runtime.db.run(body)  # type: ignore[arg-type] # it never answers
    assert not await is_refused(plaza.runtime, person.pair.access_token)


async def test_callbacks_hear_of_each_end_once_in_every_process(plaza: Stage) -> None:
    person = await a_person(plaza)
    async with another_process(plaza) as other:
        here: list[SessionId] = []
        there: list[SessionId] = []
        plaza[SessionWatch].on_end(here.append)
        other.parts[SessionWatch].on_end(there.append)
        await other.parts[SessionWatch].load()
        second = await logged_in(plaza, person.email)
        (await plaza[SessionService].logout_all(person.actor)).unwrap()

        async def heard() -> bool:
            return len(there) >= 2

        await eventually(heard)
        await other.parts[SessionWatch].load()
    expected = {person.actor.session_id, second.actor.session_id}
    assert set(here) == set(there) == expected
    assert len(here) == len(there) == 2


async def test_many_sessions_end_in_one_transaction(plaza: Stage) -> None:
    """More ids than one notification holds."""
    [user_id] = (
        await plaza[UserService].create_many([NewUser(email="many@example.com", display_name="Many")])
    ).unwrap()
    tokens = (await plaza[SessionService].open_many([user_id] * 450, HERE)).unwrap()
    actor = await plaza[TokenService].authenticate(tokens[0])
    async with another_process(plaza) as other:
        assert not await is_refused(other, tokens[-1])
        (await plaza[SessionService].logout_all(actor)).unwrap()

        async def all_refused() -> bool:
            return all([await is_refused(other, token) for token in tokens])

        await eventually(all_refused)


async def test_a_request_reads_no_session(plaza: Stage) -> None:
    person = await a_person(plaza)
    await plaza[TokenService].authenticate(person.pair.access_token)
    with statements(plaza.runtime.db) as sent:
        for _ in range(20):
            await plaza[TokenService].authenticate(person.pair.access_token)
    assert sent == []


async def test_ended_sessions_are_forgotten_once_their_tokens_are_dead(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    (await plaza[SessionService].logout(person.actor, None)).unwrap()
    watch, session_id = plaza[SessionWatch], person.actor.session_id
    assert session_id is not None
    clock.advance(timedelta(minutes=30))  # the longest that any access token lives: an impersonator's
    await watch.load()
    assert await watch.has_ended(session_id)
    clock.advance(watch.SLACK + timedelta(seconds=1))
    await watch.load()
    assert not await watch.has_ended(session_id)
    assert await is_refused(plaza.runtime, person.pair.access_token)  # it has expired


async def test_a_process_that_only_listens_forgets_them_too(plaza: Stage, clock: ManualClock) -> None:
    watch, ended = plaza[SessionWatch], [SessionId(uuid4()) for _ in range(2)]
    await watch.load()
    watch.end(ended[:1])
    clock.advance(timedelta(minutes=31) + watch.SLACK)
    assert await watch.has_ended(ended[0])
    watch.end(ended[1:])
    assert [await watch.has_ended(each) for each in ended] == [False, True]


async def test_origins_do_not_matter(plaza: Stage) -> None:
    person = await a_person(plaza)
    elsewhere = await logged_in(plaza, person.email, origin=Origin(ip="2001:db8::1", user_agent=""))
    (
        await plaza[SessionService].end(elsewhere.actor, SessionId(person.actor.session_id or elsewhere.actor.user_id))
    ).unwrap()
    assert await is_refused(plaza.runtime, person.pair.access_token)
    assert not await is_refused(plaza.runtime, elsewhere.pair.access_token)

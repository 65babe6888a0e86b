"""Refresh tokens and the sessions that they keep alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from plaza.app.runtime import Runtime
from plaza.core.errors import Unauthenticated
from plaza.core.ids import uuid7
from plaza.core.result import Failure, Success
from plaza.domain_events.identity import SessionId
from plaza.identity import SessionService, TokenPair, TokenService
from tests.identity.builders import ELSEWHERE, HERE, Person, a_person, is_accepted, logged_in
from tests.identity.staff import audited
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for

ADA, GRACE = "ada@example.com", "grace@example.com"


async def refresh(plaza: Stage, token: str | None) -> TokenPair:
    assert token is not None
    return (await plaza[SessionService].refresh(token, HERE)).unwrap()


async def is_refused(plaza: Stage, token: str | None) -> bool:
    assert token is not None
    result = await plaza[SessionService].refresh(token, HERE)
    return isinstance(result, Failure) and result.error.code == "UNAUTHENTICATED"


async def reasons(plaza: Stage) -> list[str | None]:
    async with plaza.runtime.db.reader.connect() as connection:
        return list(
            (await connection.execute(text("select revoked_reason from identity_session order by id"))).scalars()
        )


async def test_a_refresh_rotates(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    assert first.refresh_token != person.refresh_token
    assert first.user.id == person.id
    second = await refresh(plaza, first.refresh_token)
    assert len({person.refresh_token, first.refresh_token, second.refresh_token}) == 3
    actor = await plaza[TokenService].authenticate(second.access_token)
    assert actor.session_id == person.actor.session_id


async def test_ten_at_once_get_one_successor(plaza: Stage) -> None:
    person = await a_person(plaza)
    pairs = await asyncio.gather(*(refresh(plaza, person.refresh_token) for _ in range(10)))
    assert len({pair.refresh_token for pair in pairs}) == 1
    async with plaza.runtime.db.reader.connect() as connection:
        assert (await connection.execute(text("select count(*) from identity_refresh_token"))).scalar_one() == 2
    await refresh(plaza, pairs[0].refresh_token)
    assert await reasons(plaza) == [None]


async def test_a_lost_answer_is_given_again_byte_for_byte(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    clock.advance(timedelta(seconds=29))
    assert (await refresh(plaza, person.refresh_token)).refresh_token == first.refresh_token


async def test_refreshes_that_are_written_together_are_told_apart(plaza: Stage) -> None:
    """Good, unknown, ended, disabled, stolen and doubled ones, all at once: each gets what it would have got alone."""
    ada, bea, eve, joe, sue = [
        await a_person(plaza, f"{name}@example.com") for name in ("ada", "bea", "eve", "joe", "sue")
    ]
    (await plaza[SessionService].logout(bea.actor, None)).unwrap()
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = 'banned' where id = :id"), {"id": eve.id})
    await refresh(plaza, (await refresh(plaza, joe.refresh_token)).refresh_token)
    tokens = [ada.refresh_token, sue.refresh_token, ada.refresh_token, "unknown", bea.refresh_token]
    tokens += [eve.refresh_token, joe.refresh_token]
    results = await asyncio.gather(*(plaza[SessionService].refresh(token, HERE) for token in tokens))
    given = [each.value if isinstance(each, Success) else each.error.code for each in results]
    assert given[3:] == ["UNAUTHENTICATED"] * 4
    pairs = [each for each in given if isinstance(each, TokenPair)]
    assert [each.user.id for each in pairs] == [ada.id, sue.id, ada.id]
    assert pairs[0].refresh_token == pairs[2].refresh_token != pairs[1].refresh_token
    assert await reasons(plaza) == [None, "logout", None, "refresh_reused", None]
    for pair in pairs:
        assert pair.user == (await logged_in(plaza, pair.user.email or "")).pair.user


@asynccontextmanager
async def another_process(plaza: Stage, **variables: str) -> AsyncIterator[SessionService]:
    settings = plaza.configuration.plaza
    configuration = configuration_for(settings.database_url, settings.redis_url, **variables)
    runtime = Runtime(configuration, "other", clock=plaza.clock)
    try:
        yield runtime.parts[SessionService]
    finally:
        await runtime.close()


async def test_a_lost_answer_is_given_again_under_a_new_secret(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    secrets = {"PLAZA_SECRET_KEY": "n" * 40, "PLAZA_SECRET_KEY_FALLBACKS": plaza.configuration.plaza.secret_key}
    async with another_process(plaza, **secrets) as renewed:
        again = (await renewed.refresh(person.refresh_token, HERE)).unwrap()
        assert again.refresh_token == first.refresh_token
        second = (await renewed.refresh(first.refresh_token or "", HERE)).unwrap()
    await refresh(plaza, second.refresh_token)
    assert await reasons(plaza) == [None]


async def test_a_secret_that_is_not_known_here_is_no_theft(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    async with another_process(plaza, PLAZA_SECRET_KEY="n" * 40) as foreign:
        assert isinstance(await foreign.refresh(person.refresh_token, HERE), Failure)
    assert await reasons(plaza) == [None]
    await refresh(plaza, first.refresh_token)


async def test_a_refresh_is_no_login(plaza: Stage, clock: ManualClock) -> None:
    """How and when somebody proved who they are stays as it was: a refresh never opens what needs a recent login."""
    person = await a_person(plaza)
    clock.advance(timedelta(minutes=20))
    pair = await refresh(plaza, person.refresh_token)
    actor = await plaza[TokenService].authenticate(pair.access_token)
    assert actor.methods == person.actor.methods == {"pwd"}
    assert actor.authenticated_at == person.actor.authenticated_at
    assert actor.authenticated_at is not None
    assert actor.authenticated_at < clock.now() - timedelta(minutes=10)


async def test_after_the_grace_a_used_token_ends_its_family(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    clock.advance(timedelta(seconds=30))
    assert await is_refused(plaza, person.refresh_token)
    assert await reasons(plaza) == ["refresh_reused"]  # committed although the answer is a refusal
    assert await is_refused(plaza, first.refresh_token)
    assert not await is_accepted(plaza, first.access_token)


async def test_the_grace_ends_when_the_successor_is_used(plaza: Stage) -> None:
    person = await a_person(plaza)
    first = await refresh(plaza, person.refresh_token)
    second = await refresh(plaza, first.refresh_token)
    assert await is_refused(plaza, person.refresh_token)
    assert await reasons(plaza) == ["refresh_reused"]
    assert await is_refused(plaza, second.refresh_token)


async def test_reuse_ends_one_family_only(plaza: Stage) -> None:
    person = await a_person(plaza)
    other = await logged_in(plaza, ADA, origin=ELSEWHERE)
    first = await refresh(plaza, person.refresh_token)
    await refresh(plaza, first.refresh_token)
    assert await is_refused(plaza, person.refresh_token)
    assert await is_accepted(plaza, other.pair.access_token)
    await refresh(plaza, other.refresh_token)


async def test_an_old_token_and_its_successor_at_once_leave_no_usable_copy(plaza: Stage) -> None:
    """Whichever comes first: the successor rotates, or the family is gone."""
    for _ in range(5):
        person = await a_person(plaza, f"{uuid7()}@example.com")
        first = await refresh(plaza, person.refresh_token)
        results = await asyncio.gather(
            *(
                plaza[SessionService].refresh(token, HERE)
                for token in (first.refresh_token or "", person.refresh_token) * 3
            )
        )
        given = {each.value.refresh_token for each in results if isinstance(each, Success)} - {first.refresh_token}
        assert len(given) <= 1


@pytest.mark.parametrize("token", ["", "x", "\x7f" * 50, "eyJhbGciOiJFUzI1NiJ9.e30.x", "é" * 20])
async def test_what_is_no_refresh_token_is_refused(plaza: Stage, token: str) -> None:
    await a_person(plaza)
    assert await is_refused(plaza, token)


async def test_an_access_token_does_not_refresh(plaza: Stage) -> None:
    person = await a_person(plaza)
    assert await is_refused(plaza, person.pair.access_token)
    with pytest.raises(Unauthenticated):
        await plaza[TokenService].authenticate(person.refresh_token)


async def test_an_idle_session_ends_after_seven_days(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    clock.advance(timedelta(days=6, hours=23))
    pair = await refresh(plaza, person.refresh_token)
    clock.advance(timedelta(days=6, hours=23))
    pair = await refresh(plaza, pair.refresh_token)
    clock.advance(timedelta(days=7))
    assert await is_refused(plaza, pair.refresh_token)


async def test_no_session_lasts_longer_than_ninety_days(plaza: Stage, clock: ManualClock) -> None:
    pair = (await a_person(plaza)).pair
    for _ in range(14):
        clock.advance(timedelta(days=6))
        pair = await refresh(plaza, pair.refresh_token)
    clock.advance(timedelta(days=5, hours=23, minutes=55))
    last = await refresh(plaza, pair.refresh_token)
    assert last.expires_in == 300  # an access token does not outlive its session either
    clock.advance(timedelta(minutes=5))
    assert not await is_accepted(plaza, last.access_token)
    assert await is_refused(plaza, last.refresh_token)


@pytest.mark.parametrize("status", ["banned", "deactivated"])
async def test_a_disabled_account_is_not_refreshed(plaza: Stage, status: str) -> None:
    person = await a_person(plaza)
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text("update identity_user set status = :status"), {"status": status})
    assert await is_refused(plaza, person.refresh_token)


async def test_only_hashes_are_stored(plaza: Stage) -> None:
    person = await a_person(plaza)
    pair = await refresh(plaza, person.refresh_token)
    async with plaza.runtime.db.reader.connect() as connection:
        for table in ("identity_refresh_token", "identity_session"):
            rows = "".join((await connection.execute(text(f"select t::text from {table} t"))).scalars())
            assert rows
            for secret in (person.refresh_token, pair.refresh_token or "", pair.access_token):
                assert secret not in rows
                assert secret.encode().hex() not in rows


# Over HTTP


async def test_logout_all_ends_every_own_session_and_no_other(plaza: Stage) -> None:
    grace = await a_person(plaza, GRACE, name="Grace")
    first = await a_person(plaza)
    second = await logged_in(plaza, ADA, origin=ELSEWHERE)
    async with plaza.client(first.pair.access_token) as client:
        assert (await client.post("/api/v1/auth/logout-all")).status_code == 204
    for person in (first, second):
        assert not await is_accepted(plaza, person.pair.access_token)
        assert await is_refused(plaza, person.refresh_token)
    assert await is_accepted(plaza, grace.pair.access_token)


async def test_a_login_during_logout_all_is_ended_or_newer(plaza: Stage) -> None:
    person = await a_person(plaza)
    results = await asyncio.gather(
        *(logged_in(plaza, ADA) for _ in range(4)),
        plaza[SessionService].logout_all(person.actor),
        *(logged_in(plaza, ADA) for _ in range(4)),
    )
    alive = [await is_accepted(plaza, each.pair.access_token) for each in results if isinstance(each, Person)]
    async with plaza.runtime.db.reader.connect() as connection:
        open_sessions = (
            await connection.execute(text("select count(*) from identity_session where revoked_at is null"))
        ).scalar_one()
    assert sum(alive) == open_sessions


async def test_sessions_are_paged_newest_first(plaza: Stage) -> None:
    await a_person(plaza)
    people = [await logged_in(plaza, ADA) for _ in range(4)]
    await a_person(plaza, GRACE, name="Grace")
    seen: list[str] = []
    async with plaza.client(people[-1].pair.access_token) as client:
        page = (await client.get("/api/v1/auth/sessions?limit=2")).json()
        seen += [each["id"] for each in page["items"]]
        while page["next_cursor"]:
            page = (
                await client.get("/api/v1/auth/sessions", params={"limit": 2, "cursor": page["next_cursor"]})
            ).json()
            seen += [each["id"] for each in page["items"]]
        foreign = await client.get("/api/v1/auth/sessions?cursor=AAAA")
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == str(people[-1].actor.session_id)
    assert (foreign.status_code, foreign.json()["code"]) == (400, "INVALID_CURSOR")


async def test_a_cursor_of_somebody_else_is_refused(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, GRACE, name="Grace")
    await logged_in(plaza, ADA)
    async with plaza.client(ada.pair.access_token) as client:
        cursor = (await client.get("/api/v1/auth/sessions?limit=1")).json()["next_cursor"]
    async with plaza.client(grace.pair.access_token) as client:
        answer = await client.get("/api/v1/auth/sessions", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_CURSOR")


async def test_a_session_is_renamed_and_ended_by_its_owner_only(plaza: Stage) -> None:
    ada, grace = await a_person(plaza), await a_person(plaza, GRACE, name="Grace")
    path = f"/api/v1/auth/sessions/{ada.actor.session_id}"
    async with plaza.client(grace.pair.access_token) as client:
        for answer in (await client.patch(path, json={"name": "mine"}), await client.delete(path)):
            assert (answer.status_code, answer.json()["code"]) == (404, "SESSION_NOT_FOUND")
    assert await is_accepted(plaza, ada.pair.access_token)
    async with plaza.client(ada.pair.access_token) as client:
        renamed = await client.patch(path, json={"name": "  Kitchen  "})
        assert renamed.status_code == 200
        assert renamed.json()["device"]["name"] == "Kitchen"
        assert renamed.json()["current"] is True
        (entry,) = await audited(plaza, "identity.session_renamed")
        assert (entry.actor_id, entry.subject_id) == (ada.id, str(ada.actor.session_id))
        assert (entry.before, entry.after) == ({"device": "Firefox on Linux"}, {"device": "Kitchen"})
        assert (await client.patch(path, json={"name": "a\u202eb"})).status_code == 400
        assert (await client.delete(path)).status_code == 204
        assert (await client.get("/api/v1/auth/user")).status_code == 401
    unknown = await plaza[SessionService].end(grace.actor, SessionId(uuid7()))
    assert isinstance(unknown, Failure)
    assert unknown.error.code == "SESSION_NOT_FOUND"

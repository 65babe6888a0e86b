"""Id tokens that a provider gave to an app."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.identity.outside import AUTH, World, world_of
from tests.identity.provider import CLIENT_ID, NATIVE_ID, reply
from tests.support.stage import Stage


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


async def give(world: World, token: str, provider: str = "google", **further: Any) -> httpx.Response:
    return await world.browser().http.post(f"{AUTH}/{provider}", json={"id_token": token, **further})


async def outcome(world: World, token: str, **further: Any) -> str:
    answer = await give(world, token, **further)
    return "OK" if answer.status_code == 200 else str(answer.json()["code"])


@pytest.mark.parametrize("provider", ["google", "apple"])
async def test_an_app_is_let_in_by_its_id_token(world: World, provider: str) -> None:
    answer = await give(world, world.provider.id_token(), provider)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["email"] == "ada@example.com"
    assert answer.json()["refresh_token"]


async def test_it_is_the_same_person_as_in_the_browser(world: World) -> None:
    first = (await world.browser().log_in("google")).json()["user"]["id"]
    assert (await give(world, world.provider.id_token())).json()["user"]["id"] == first


async def test_the_name_that_only_the_app_is_told_is_taken_where_the_token_has_none(world: World) -> None:
    world.provider.person.claims["name"] = None
    answer = await give(world, world.provider.id_token(), "apple", name="Augusta King")
    assert answer.json()["user"]["display_name"] == "Augusta King"


async def test_by_cookie_the_refresh_token_meets_no_script(world: World) -> None:
    answer = await world.browser().http.post(
        f"{AUTH}/google", params={"cookie": "true"}, json={"id_token": world.provider.id_token()}
    )
    assert answer.json()["refresh_token"] is None
    assert "plaza_refresh=" in answer.headers["set-cookie"]


async def test_a_token_counts_once(world: World) -> None:
    token = world.provider.id_token()
    assert [await outcome(world, token) for _ in range(3)] == ["OK", "TOKEN_USED", "TOKEN_USED"]
    assert len(await world.rows("select 1 from identity_session")) == 1


async def test_audiences_are_the_operators_own(world: World) -> None:
    assert await outcome(world, world.provider.id_token(audience=CLIENT_ID)) == "OK"
    for audience in ("com.example.other", "", f"{NATIVE_ID} ", NATIVE_ID.upper()):
        assert await outcome(world, world.provider.id_token(audience=audience)) == "OAUTH_REJECTED", audience


async def test_a_nonce_is_compared_as_it_is_or_as_its_hash(world: World) -> None:
    nonce = "a nonce of the app"
    hashed = hashlib.sha256(nonce.encode()).hexdigest()
    assert await outcome(world, world.provider.id_token(nonce=nonce), nonce=nonce) == "OK"
    assert await outcome(world, world.provider.id_token(nonce=hashed), nonce=nonce) == "OK"
    for in_token, given in ((nonce, None), (None, nonce), (nonce, hashed), (nonce, "another nonce")):
        refused = await give(world, world.provider.id_token(nonce=in_token), **({"nonce": given} if given else {}))
        assert (refused.status_code, refused.json()["code"]) == (401, "OAUTH_REJECTED"), (in_token, given)


async def test_tokens_that_are_too_old_too_young_or_no_tokens_are_refused(world: World) -> None:
    now = int(world.stage.clock.now().timestamp())
    refused = [
        world.provider.id_token(exp=now - 61),
        world.provider.id_token(iat=now + 120, exp=now + 600),
        world.provider.id_token(iat=now - 7200, exp=now + 600),
        world.provider.id_token(iss="https://accounts.google.com.evil.example"),
        world.provider.id_token()[:-4] + "AAAA",
        "a.b.c",
        "not a token",
        "." * 3,
        "x" * 16_000,
    ]
    for token in refused:
        assert await outcome(world, token) == "OAUTH_REJECTED", token[:60]
    assert await world.is_untouched()


async def test_an_access_token_of_ours_is_no_id_token(world: World) -> None:
    browser = world.browser()
    own = (await browser.log_in()).json()["access_token"]
    assert await outcome(world, own) == "OAUTH_REJECTED"


async def test_a_refused_try_is_written_down_without_a_person(world: World) -> None:
    await give(world, world.provider.id_token(audience="com.example.other"))
    (attempt,) = await world.rows("select user_id, method, outcome from identity_login_attempt")
    assert dict(attempt) == {"user_id": None, "method": "fed", "outcome": "OAUTH_REJECTED"}


async def test_keys_that_cannot_be_had_are_the_providers_trouble(world: World) -> None:
    world.provider.instead["/keys"] = lambda: reply({}, 500)
    answer = await give(world, world.provider.id_token())
    assert (answer.status_code, answer.json()["code"]) == (502, "OUTSIDE_SERVICE_FAILED")
    world.provider.instead.clear()
    world.stage.clock.advance(timedelta(seconds=1))
    assert await outcome(world, world.provider.id_token()) == "OK"

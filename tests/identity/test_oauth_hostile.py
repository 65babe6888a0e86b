"""Against whoever stands between a person, Plaza and a provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.identity.outside import APP, AUTH, HOME, World, pkce, variables, world_of
from tests.identity.provider import query_of
from tests.support.callers import callers
from tests.support.stage import Stage

INVALID = {"error": "OAUTH_STATE_INVALID"}
REJECTED = {"error": "OAUTH_REJECTED"}


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


# The state


async def test_a_way_back_that_another_browser_brings_is_nobodys(world: World) -> None:
    """Login CSRF: an attacker's finished login in the victim's browser."""
    url = await world.browser().way_back()
    victim = world.browser("203.0.113.9")
    assert await victim.ends(url) == INVALID
    await victim.set_out()  # with a cookie of their own it is no better
    assert await victim.ends(await world.browser().way_back()) == INVALID
    assert await world.is_untouched()
    assert world.provider.requests["/token"] == 0


async def test_a_way_back_counts_once(world: World) -> None:
    browser = world.browser()
    url = await browser.way_back()
    assert set(await browser.ends(url)) == {"code"}
    assert await browser.ends(url) == INVALID


async def test_a_way_back_that_was_tried_elsewhere_is_used_up(world: World) -> None:
    browser = world.browser()
    url = await browser.way_back()
    assert await world.browser().ends(url) == INVALID
    assert await browser.ends(url) == INVALID


async def test_a_way_back_is_too_late_after_ten_minutes(world: World) -> None:
    browser = world.browser()
    url = await browser.way_back()
    world.stage.clock.advance(timedelta(minutes=10, seconds=1))
    assert await browser.ends(url) == INVALID


@pytest.mark.parametrize(
    "query", ["", "code=abc", "state=abc", "state=abc&code=abc", "state=&code=", "error=access_denied"]
)
async def test_a_way_back_without_a_state_of_ours_is_nobodys(world: World, query: str) -> None:
    assert await world.browser().ends(f"{HOME}{AUTH}/oauth/google/callback?{query}") == INVALID


async def test_two_tabs_do_not_break_each_other(world: World) -> None:
    browser = world.browser()
    one, other = await browser.way_back(), await browser.way_back("github")
    assert set(await browser.ends(one)) == set(await browser.ends(other)) == {"code"}


async def test_the_cookie_is_for_this_way_only_and_out_of_reach_of_scripts(world: World) -> None:
    cookie = (await world.browser().set_out()).headers["set-cookie"].lower()
    assert f"path={AUTH}/oauth;" in f"{cookie};"
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    secret = cookie.split("=", 1)[1].split(";")[0]
    assert len(secret) >= 43


async def test_over_https_the_cookie_stays_on_it(world: World) -> None:
    given = {**variables(world.provider), "PLAZA_PUBLIC_URL": "https://plaza.test"}
    async with callers(world.stage, **given) as api, api.at() as http:
        answer = await http.get(f"{AUTH}/oauth/google/authorize")
    assert "secure" in answer.headers["set-cookie"].lower()


# Mix-up


async def test_what_was_begun_with_one_provider_another_cannot_end(world: World) -> None:
    browser = world.browser()
    url = (await browser.way_back("google")).replace("/oauth/google/", "/oauth/oidc:acme/")
    assert await browser.ends(url) == INVALID
    assert world.provider.requests["/token"] == 0


@pytest.mark.parametrize("iss", ["https://attacker.example", "", None])
async def test_whoever_names_itself_has_to_be_the_one_that_was_asked(world: World, iss: str | None) -> None:
    """RFC 9207; the provider has told that it names itself, so it must."""
    world.provider.callback = {"iss": iss}
    browser = world.browser()
    assert await browser.ends(await browser.way_back()) == REJECTED
    assert world.provider.requests["/token"] == 0


async def test_one_that_never_names_itself_need_not(world: World) -> None:
    world.provider.description = {"authorization_response_iss_parameter_supported": False}
    world.provider.callback = {"iss": None}
    assert (await world.browser().log_in()).status_code == 200


# The one-time code


async def test_a_code_is_for_the_browser_that_began(world: World) -> None:
    code = (await world.browser().round_trip())["code"]
    thief = world.browser()
    refused = await thief.exchange(code)
    assert (refused.status_code, refused.json()["code"]) == (422, "CODE_INVALID")
    assert await world.is_untouched()


async def test_a_code_counts_once_right_or_wrong(world: World) -> None:
    browser = world.browser()
    code = (await browser.round_trip())["code"]
    await world.browser().exchange(code)
    assert (await browser.exchange(code)).status_code == 422
    code = (await browser.round_trip())["code"]
    assert (await browser.exchange(code)).status_code == 200
    assert (await browser.exchange(code)).status_code == 422


async def test_a_code_is_too_late_after_a_minute(world: World) -> None:
    browser = world.browser()
    code = (await browser.round_trip())["code"]
    world.stage.clock.advance(timedelta(seconds=61))
    assert (await browser.exchange(code)).status_code == 422


async def test_with_a_challenge_only_its_verifier_fetches_the_tokens(world: World) -> None:
    """Another app that has registered the same scheme on the device gets the code, and nothing for it."""
    verifier, challenge = pkce()
    for wrong in ({}, {"code_verifier": pkce()[0]}, {"code_verifier": challenge}):
        browser = world.browser()
        code = (await browser.round_trip(redirect_to=APP, code_challenge=challenge))["code"]
        assert (await browser.exchange(code, **wrong)).status_code == 422
        assert (await browser.exchange(code, code_verifier=verifier)).status_code == 422
    assert await world.is_untouched()


async def test_a_code_of_one_kind_is_none_of_another(world: World) -> None:
    browser = world.browser()
    left = await browser.set_out()
    state = query_of(left.headers["location"])["state"]
    assert (await browser.exchange(state)).status_code == 422
    code = (await browser.round_trip())["code"]
    assert await browser.ends(f"{HOME}{AUTH}/oauth/google/callback?state={code}&code=x") == INVALID


async def test_nothing_of_a_login_under_way_is_readable_in_redis(world: World) -> None:
    browser = world.browser()
    left = await browser.set_out()
    asked = query_of(left.headers["location"])
    code = (await browser.round_trip())["code"]
    redis = world.stage.runtime.redis
    kept = b"".join([key + (await redis.get(key) or b"") async for key in redis.scan_iter("plaza:oauth:*")])
    assert kept
    for secret in (asked["state"], asked["nonce"], code, "ada@example.com"):
        assert secret.encode() not in kept


# Another site


async def test_another_site_logs_nobody_in_unasked(world: World) -> None:
    """A page that sends visitors through here: without a challenge it gets nowhere, with one only itself has the verifier (ASVS 7.6.2)."""
    http = world.browser().http
    refused = await http.get(f"{AUTH}/oauth/google/authorize", headers={"Sec-Fetch-Site": "cross-site"})
    assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR")
    for site in ("same-origin", "same-site", "none"):
        begun = await http.get(f"{AUTH}/oauth/google/authorize", headers={"Sec-Fetch-Site": site})
        assert begun.status_code == 302


EVIL = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "http:evil.example",
    "/%2f/evil.example",
    "/%5cevil.example",
    "/%2f%2fevil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "/%2e%2e//evil.example",
    "/a//evil.example",
    "/a/%0d%0aSet-Cookie:x",
    "/\x7f",
    "/\u202eevil",
    "/\uff0fevil.example",
    "@evil.example",
    ".evil.example",
    "",
    "account",
    "?x=https://evil.example",
]


async def test_next_is_a_path_here_and_nothing_else(world: World) -> None:
    for next in EVIL:
        refused = await world.browser().set_out(next=next)
        assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR"), next
        assert "set-cookie" not in refused.headers


async def test_a_path_here_comes_back_as_it_was(world: World) -> None:
    for next in ("/", "/account", "/rooms/7?from=https://a.example//b#part", "/a%20b/", "/search?q=%2F%2F"):
        assert (await world.browser().round_trip(next=next))["next"] == next


ELSEWHERE = [
    *EVIL,
    f"{HOME}/account/",
    f"{HOME}/account?x=1",
    f"{HOME}/account#x",
    f"{HOME}//account",
    f"{HOME}.evil.example/account",
    f"{HOME}@evil.example/account",
    "http://PLAZA.test/account",
    "http://plaza.test:80/account",
    "https://plaza.test/account",
    "https://app.example/cb",
    "https://app.example/cb?kept=1&more=2",
    "https://app.example/cb?kept=1/../evil",
    f"{APP}/more",
    "myapp://",
]


async def test_a_login_ends_at_exactly_the_allowed_addresses(world: World) -> None:
    for redirect_to in ELSEWHERE:
        refused = await world.browser().set_out(redirect_to=redirect_to)
        assert (refused.status_code, refused.json()["code"]) == (400, "VALIDATION_ERROR"), redirect_to


@pytest.mark.parametrize(
    "fields", [{"redirect_uri": "https://evil.example"}, {"next": "//evil.example", "redirect_to": "//x"}]
)
async def test_what_a_form_brings_cannot_lead_elsewhere(world: World, fields: dict[str, str]) -> None:
    answer = await world.browser().http.post(f"{AUTH}/oauth/apple/callback", data={"state": "x", "code": "y", **fields})
    assert answer.headers["location"] == f"{HOME}{AUTH}/oauth/apple/callback?state=x&code=y"

"""Against whoever stands between a person, Plaza and a provider: and against providers that lie."""

from __future__ import annotations

import base64
import gzip
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey

from plaza.identity.gateways.oauth import KeySets
from tests.identity.outside import APP, AUTH, HOME, Browser, World, pkce, variables, world_of
from tests.identity.provider import CLIENT_ID, Answer, ed25519_key, encoded, query_of, reply, rsa_key
from tests.support.callers import callers
from tests.support.stage import Stage

INVALID = {"error": "OAUTH_STATE_INVALID"}
REJECTED = {"error": "OAUTH_REJECTED"}
FAILED = {"error": "OUTSIDE_SERVICE_FAILED"}


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


async def way_back(browser: Browser, provider: str = "google", **parameters: Any) -> str:
    """The address that the provider sends the browser to."""
    left = await browser.set_out(provider, **parameters)
    return await browser.visit(left.headers["location"])


async def ends(browser: Browser, url: str) -> dict[str, str]:
    arrived = await browser.come_back(url)
    assert arrived.status_code == 303, arrived.text
    assert arrived.headers["location"].startswith(f"{HOME}/account?")
    return query_of(arrived.headers["location"])


# The state


async def test_a_way_back_that_another_browser_brings_is_nobodys(world: World) -> None:
    """Login CSRF: an attacker's finished login in the victim's browser."""
    url = await way_back(world.browser())
    victim = world.browser("203.0.113.9")
    assert await ends(victim, url) == INVALID
    await victim.set_out()  # with a cookie of their own it is no better
    assert await ends(victim, await way_back(world.browser())) == INVALID
    assert await world.is_untouched()
    assert world.provider.requests["/token"] == 0


async def test_a_way_back_counts_once(world: World) -> None:
    browser = world.browser()
    url = await way_back(browser)
    assert set(await ends(browser, url)) == {"code"}
    assert await ends(browser, url) == INVALID


async def test_a_way_back_that_was_tried_elsewhere_is_used_up(world: World) -> None:
    browser = world.browser()
    url = await way_back(browser)
    assert await ends(world.browser(), url) == INVALID
    assert await ends(browser, url) == INVALID


async def test_a_way_back_is_too_late_after_ten_minutes(world: World) -> None:
    browser = world.browser()
    url = await way_back(browser)
    world.stage.clock.advance(timedelta(minutes=10, seconds=1))
    assert await ends(browser, url) == INVALID


@pytest.mark.parametrize(
    "query", ["", "code=abc", "state=abc", "state=abc&code=abc", "state=&code=", "error=access_denied"]
)
async def test_a_way_back_without_a_state_of_ours_is_nobodys(world: World, query: str) -> None:
    assert await ends(world.browser(), f"{HOME}{AUTH}/oauth/google/callback?{query}") == INVALID


async def test_two_tabs_do_not_break_each_other(world: World) -> None:
    browser = world.browser()
    one, other = await way_back(browser), await way_back(browser, "github")
    assert set(await ends(browser, one)) == set(await ends(browser, other)) == {"code"}


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
    url = (await way_back(browser, "google")).replace("/oauth/google/", "/oauth/oidc:acme/")
    assert await ends(browser, url) == INVALID
    assert world.provider.requests["/token"] == 0


@pytest.mark.parametrize("iss", ["https://attacker.example", "", None])
async def test_whoever_names_itself_has_to_be_the_one_that_was_asked(world: World, iss: str | None) -> None:
    """RFC 9207; the provider has told that it names itself, so it must."""
    world.provider.callback = {"iss": iss}
    browser = world.browser()
    assert await ends(browser, await way_back(browser)) == REJECTED
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
    assert await ends(browser, f"{HOME}{AUTH}/oauth/google/callback?state={code}&code=x") == INVALID


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
    """A page that sends its visitors through here: without a challenge it gets nowhere, with one only itself has the verifier."""
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


# Providers that lie


async def error_of(world: World, provider: str = "google") -> dict[str, str]:
    """How a login ends that must not succeed."""
    browser = world.browser()
    found = await ends(browser, await way_back(browser, provider))
    assert await world.is_untouched()
    return found


LIES: list[dict[str, Any]] = [
    {"nonce": None},
    {"nonce": "another"},
    {"iss": "https://attacker.example"},
    {"iss": None},
    {"aud": "somebody-else"},
    {"aud": []},
    {"aud": [CLIENT_ID, "somebody-else"]},
    {"aud": None},
    {"exp": 1},
    {"exp": None},
    {"exp": "soon"},
    {"iat": 1},
    {"iat": 99_999_999_999},
    {"sub": None},
    {"sub": ""},
    {"sub": "x" * 256},
    {"sub": "a b"},
    {"sub": 7},
]


async def test_an_id_token_that_says_something_else_proves_nothing(world: World) -> None:
    for claims in LIES:
        world.provider.id_claims = claims
        assert await error_of(world) == REJECTED, claims


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"kid": 7},
    ],
)
async def test_an_id_token_with_an_odd_header_proves_nothing(world: World, header: dict[str, Any]) -> None:
    token_of = world.provider.id_token

    def forged(**given: Any) -> str:
        _, body, signature = token_of(**given).split(".")
        return f"{encoded({'alg': 'ES256', 'kid': world.provider.key.kid, **header})}.{body}.{signature}"

    world.provider.id_token = forged  # type: ignore[method-assign] # it lies from here on
    assert await error_of(world) == REJECTED


async def test_an_id_token_without_a_signature_or_with_the_public_key_as_a_secret_proves_nothing(world: World) -> None:
    token_of, key = world.provider.id_token, world.provider.key
    assert isinstance(key, ECKey)
    public = key.as_pem(private=False)

    def unsigned(**given: Any) -> str:
        return f"{encoded({'alg': 'none', 'kid': key.kid})}.{token_of(**given).split('.')[1]}."

    def symmetric(**given: Any) -> str:
        signed = f"{encoded({'alg': 'HS256', 'kid': key.kid})}.{token_of(**given).split('.')[1]}"
        return (
            f"{signed}.{base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), 'sha256')).decode().rstrip('=')}"
        )

    for forged in (unsigned, symmetric):
        world.provider.id_token = forged  # type: ignore[method-assign] # it lies from here on
        assert await error_of(world) == REJECTED


async def test_a_key_that_only_the_token_brings_is_not_believed(world: World) -> None:
    own = ed25519_key()
    world.provider.id_header = {
        "jwk": own.as_dict(private=False),
        "jku": f"{world.provider.issuer}/keys",
        "kid": own.kid,
    }
    world.provider.key = own  # signs with it, but publishes another
    assert await error_of(world) == REJECTED


async def test_weak_keys_and_secrets_among_the_published_ones_are_ignored(world: World) -> None:
    with pytest.warns(SecurityWarning):
        weak = rsa_key(1024)
    world.provider.key = weak
    world.provider.instead["/keys"] = lambda: reply(
        {"keys": [weak.as_dict(private=False), {"kty": "oct", "k": "c2VjcmV0", "kid": weak.kid}, {"kty": "EC"}, {}]}
    )
    assert await error_of(world) == REJECTED


async def test_keys_of_every_good_kind_are_taken_and_new_ones_found_at_once(world: World) -> None:
    for key in (rsa_key(), ed25519_key()):
        world.provider.key, world.provider.published = key, [key]
        assert (await world.browser().log_in()).status_code == 200
    assert world.provider.requests["/keys"] == 2


async def test_made_up_key_ids_do_not_become_requests(world: World) -> None:
    world.provider.id_header = {"kid": "made up"}
    token = world.provider.id_token()
    browser = world.browser()
    for _ in range(KeySets.READS * 3):
        refused = await browser.http.post(f"{AUTH}/google", json={"id_token": token})
        assert refused.status_code == 401
    assert world.provider.requests["/keys"] == KeySets.READS


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/token", lambda: reply({"error": "server_error"}, 500)),
        ("/token", lambda: reply({"error": "invalid_client"}, 401)),
        ("/token", lambda: (200, {"content-type": "application/json"}, b"not json")),
        ("/token", lambda: reply(["a", "list"])),
        ("/token", lambda: reply("text")),
        ("/token", lambda: (302, {"location": "http://127.0.0.1:9/"}, b"")),
        ("/token", lambda: (200, {"content-type": "application/json"}, b" " * 300_000)),
        ("/token", lambda: (200, {"content-encoding": "gzip"}, gzip.compress(b" " * 9_000_000))),
        ("/keys", lambda: reply({}, 503)),
        ("/keys", lambda: reply({"keys": "none"})),
        ("/keys", lambda: (302, {"location": "http://127.0.0.1:9/"}, b"")),
        ("/keys", lambda: (200, {}, b"[" * 100_000)),
    ],
)
async def test_a_provider_that_breaks_off_is_told_apart_from_one_that_refuses(
    world: World, path: str, answer: Callable[[], Answer]
) -> None:
    world.provider.instead[path] = answer
    assert await error_of(world) == FAILED


@pytest.mark.parametrize("answer", [{"error": "invalid_grant"}, {"access_token": "x", "token_type": "Bearer"}])
async def test_a_code_that_the_provider_does_not_know_proves_nothing(world: World, answer: dict[str, str]) -> None:
    world.provider.instead["/token"] = lambda: reply(answer, 400 if "error" in answer else 200)
    assert await error_of(world) == REJECTED


ASTRAY: list[dict[str, Any]] = [
    {"issuer": "https://attacker.example"},
    {"token_endpoint": "http://attacker.example/token"},
    {"jwks_uri": "file:///etc/passwd"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"userinfo_endpoint": "http://169.254.169.254/latest"},
    {"jwks_uri": None},
]


async def test_a_description_that_leads_elsewhere_is_none(world: World) -> None:
    for description in ASTRAY:
        world.provider.description = description
        refused = await world.browser().set_out()
        assert (refused.status_code, refused.json()["code"]) == (502, "OUTSIDE_SERVICE_FAILED"), description
        assert "attacker" not in refused.text


async def test_user_info_of_somebody_else_proves_nothing(world: World) -> None:
    world.provider.description = {"userinfo_endpoint": f"{world.provider.issuer}/userinfo"}
    world.provider.id_claims = {"email": None}
    world.provider.userinfo = {"sub": "somebody else", "email": "ada@example.com", "email_verified": True}
    assert await error_of(world) == REJECTED


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("access_denied", "OAUTH_DENIED"),
        ("user_cancelled_authorize", "OAUTH_DENIED"),
        ("server_error", "OUTSIDE_SERVICE_FAILED"),
        ("<script>alert(1)</script>", "OUTSIDE_SERVICE_FAILED"),
    ],
)
async def test_what_the_provider_refuses_is_told_by_a_stable_code(world: World, said: str, told: str) -> None:
    world.provider.callback = {"code": None, "error": said, "error_description": "<b>text</b>"}
    browser = world.browser()
    arrived = await browser.come_back(await way_back(browser, next="/rooms"))
    assert query_of(arrived.headers["location"]) == {"error": told, "next": "/rooms"}
    assert await world.is_untouched()


@pytest.mark.parametrize("emails", [[], [{"email": "ada@example.com", "primary": False, "verified": True}]])
async def test_github_without_a_primary_address_tells_none(world: World, emails: list[dict[str, Any]]) -> None:
    world.provider.github_emails = emails
    answer = await world.browser().log_in("github")
    assert (answer.status_code, answer.json()["code"]) == (422, "OAUTH_EMAIL_MISSING")


async def test_githubs_unverified_address_is_asked_for_a_code(world: World) -> None:
    world.provider.github_emails = [{"email": "ada@example.com", "primary": True, "verified": False}]
    assert (await world.browser().log_in("github")).status_code == 403


async def test_without_redis_nobody_sets_out_and_nothing_is_wrong_with_anybody(world: World) -> None:
    given = {**variables(world.provider), "REDIS_URL": "unix:///nonexistent/valkey.sock"}
    async with callers(world.stage, **given) as api, api.at() as http:
        for path in ("oauth/google/authorize", "oauth/google/callback?state=a&code=b"):
            answer = await http.get(f"{AUTH}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")

"""Against providers that lie, or break off."""

from __future__ import annotations

import base64
import gzip
import hmac
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey

from plaza.identity.gateways.oauth import KeySets
from tests.identity.outside import AUTH, World, variables, world_of
from tests.identity.provider import CLIENT_ID, Answer, ed25519_key, encoded, query_of, reply, rsa_key
from tests.support.callers import callers
from tests.support.stage import Stage

REJECTED = {"error": "OAUTH_REJECTED"}
FAILED = {"error": "OUTSIDE_SERVICE_FAILED"}


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


async def error_of(world: World, provider: str = "google") -> dict[str, str]:
    """How a login ends that must not succeed."""
    browser = world.browser()
    found = await browser.ends(await browser.way_back(provider))
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
    arrived = await browser.come_back(await browser.way_back(next="/rooms"))
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

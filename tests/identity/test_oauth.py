"""Logging in at an outside provider: the way there and back, and who is let in at its end."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import pytest
from joserfc import jwt

from plaza.core.settings import SettingsError
from plaza.identity.service import UserService
from tests.identity.builders import (
    PASSWORD,
    a_person,
    codes_to,
    is_told,
    jobs_done,
    logged_in,
    mails_to,
    register,
    verify,
)
from tests.identity.outside import APP, APPLE_KEY, AUTH, HOME, World, pkce, variables, world_of
from tests.identity.provider import CLIENT_ID, CLIENT_SECRET, Person, query_of, reply
from tests.support.callers import callers
from tests.support.stage import Stage, configuration_for

ADA = "ada@example.com"


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


async def code_of(answer: Any) -> str:
    return str(answer.json()["code"])


# Who is let in


@pytest.mark.parametrize("provider", ["google", "apple", "github"])
async def test_a_stranger_is_let_in_with_an_account_of_their_own(world: World, provider: str) -> None:
    answer = await world.browser().log_in(provider)
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["email_verified"], user["status"]) == (ADA, True, "active")
    assert user["display_name"] == "Ada Lovelace"
    (made,) = await world.rows("select password_hash, email_vouched_by from identity_user")
    assert dict(made) == {"password_hash": None, "email_vouched_by": provider}
    assert "Welcome" in (await mails_to(world.stage, ADA))[0]["subject"]
    (session,) = await world.rows("select methods from identity_session")
    assert session["methods"] == ["fed"]


async def test_the_second_time_it_is_the_same_person_whatever_their_address_is_now(world: World) -> None:
    first = (await world.browser().log_in()).json()["user"]["id"]
    world.provider.person = Person(email="countess@example.com")
    again = await world.browser().log_in()
    assert again.json()["user"]["id"] == first
    assert again.json()["user"]["email"] == ADA
    (account,) = await world.rows("select email from identity_linked_account")
    assert account["email"] == "countess@example.com"  # what the provider said last, for show


async def test_somebody_with_the_proved_address_gets_the_account_linked_and_is_told(world: World) -> None:
    ada = await a_person(world.stage, ADA)
    answer = await world.browser().log_in()
    assert answer.json()["user"]["id"] == str(ada.id)
    await is_told(world.stage, ADA, "google")
    (entry,) = await world.rows("select * from audit_entry where action = 'identity.account_linked'")
    assert (entry["user_id"], entry["after"]) == (ada.id, {"provider": "google", "email": ADA})
    assert (await logged_in(world.stage, ADA)).id == ada.id  # the password is still theirs


async def test_two_providers_that_vouch_for_one_address_lead_to_one_person(world: World) -> None:
    first = (await world.browser().log_in("google")).json()["user"]["id"]
    assert (await world.browser().log_in("github")).json()["user"]["id"] == first


async def test_a_registration_that_nobody_proved_gives_way_and_its_code_and_password_with_it(world: World) -> None:
    """Else a stranger could register the address first, and wait."""
    await register(world.stage, ADA, "mallory's lantern", "Eve")
    [code] = await codes_to(world.stage, ADA)
    assert (await world.browser().log_in()).json()["user"]["display_name"] == "Ada Lovelace"
    answer = await world.browser().http.post(f"{AUTH}/login", json={"identifier": ADA, "password": "mallory's lantern"})
    assert answer.status_code in (401, 403)
    assert "access_token" not in answer.json()
    refused = await verify(world.stage, ADA, code)
    assert refused.error.code == "TOKEN_USED"  # type: ignore[union-attr] # a Failure, or this fails


@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email_verified": "false"}, {"email_verified": None}])
async def test_an_address_that_the_provider_has_not_verified_is_asked_for_a_code(
    world: World, claims: dict[str, Any]
) -> None:
    world.provider.person = Person(**claims)
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (403, "EMAIL_NOT_VERIFIED")
    assert not await world.rows("select 1 from identity_session")
    [code] = await codes_to(world.stage, ADA)
    person = (await verify(world.stage, ADA, code)).unwrap()
    assert person.user.display_name == "Ada Lovelace"
    # What was asked for took effect with the code: from now on the account leads there.
    assert (await world.browser().log_in()).json()["user"]["id"] == str(person.user.id)


async def test_an_unverified_address_of_somebody_else_tells_and_links_nothing(world: World) -> None:
    await a_person(world.stage, ADA)
    world.provider.person = Person("mallory", ADA, email_verified=False)
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (403, "EMAIL_NOT_VERIFIED")
    await jobs_done(world.stage)
    assert not await world.rows("select 1 from identity_linked_account")
    assert "already have" in (await mails_to(world.stage, ADA))[0]["subject"]


async def test_an_account_without_any_address_is_refused(world: World) -> None:
    world.provider.person = Person(email=None)
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (422, "OAUTH_EMAIL_MISSING")
    assert await world.is_untouched()


@pytest.mark.parametrize(
    ("domains", "outcome"), [([], 403), (["corp.example"], 403), (["example.com"], 200), (["*"], 200)]
)
async def test_an_operator_says_whose_addresses_a_provider_may_vouch_for(
    plaza: Stage, domains: list[str], outcome: int
) -> None:
    async with world_of(plaza) as world, callers(plaza, **variables(world.provider, email_domains=domains)) as api:
        trusting = World(plaza, world.provider, api)
        assert (await trusting.browser().log_in("oidc:acme")).status_code == outcome


async def test_staff_are_linked_only_while_they_are_signed_in(world: World) -> None:
    (await world.stage[UserService].create(ADA, PASSWORD, is_staff=True)).unwrap()
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (409, "LINK_REQUIRED")
    assert not await world.rows("select 1 from identity_linked_account")


@pytest.mark.parametrize("status", ["deactivated", "banned"])
async def test_a_disabled_account_stays_shut_and_nothing_is_linked(world: World, status: str) -> None:
    await a_person(world.stage, ADA)
    await world.rows("update identity_user set status = :status", status=status)
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (403, "ACCOUNT_DISABLED")
    assert not await world.rows("select 1 from identity_linked_account")


async def test_a_second_factor_is_asked_for_here_too(world: World) -> None:
    ada = await a_person(world.stage, ADA)
    await world.rows(
        "insert into identity_totp_device (id, user_id, sealed_secret, confirmed_at, created_at, version) "
        "values (gen_random_uuid(), :id, 'sealed', now(), now(), 1)",
        id=ada.id,
    )
    answer = await world.browser().log_in()
    assert (answer.status_code, await code_of(answer)) == (401, "MFA_REQUIRED")
    assert answer.json()["mfa_token"]
    assert "access_token" not in answer.json()


async def test_a_login_as_oneself_takes_the_place_of_the_session(world: World) -> None:
    """So that somebody without a password can open again what needs a recent login."""
    browser = world.browser()
    browser.sign_in(await browser.log_in())
    browser.sign_in(await browser.log_in())
    ended = await world.rows("select revoked_reason from identity_session order by id")
    assert [each["revoked_reason"] for each in ended] == ["reauthenticated", None]


async def test_an_address_that_is_asked_of_the_provider_counts_as_one_that_it_told(world: World) -> None:
    world.provider.description = {"userinfo_endpoint": f"{world.provider.issuer}/userinfo"}
    world.provider.id_claims = {"email": None}
    world.provider.userinfo = {"sub": world.provider.person.sub, "email": ADA, "email_verified": True}
    assert (await world.browser().log_in()).json()["user"]["email"] == ADA


# What goes over the wire


async def test_what_the_provider_is_asked(world: World) -> None:
    left = await world.browser().set_out("google")
    url = urlsplit(left.headers["location"])
    asked = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{world.provider.issuer}/authorize"
    assert {name: asked[name] for name in ("client_id", "redirect_uri", "response_type", "code_challenge_method")} == {
        "client_id": CLIENT_ID,
        "redirect_uri": f"{HOME}{AUTH}/oauth/google/callback",
        "response_type": "code",
        "code_challenge_method": "S256",
    }
    assert set(asked["scope"].split()) == {"openid", "email", "profile"}
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    assert left.headers["cache-control"] == "no-store"


async def test_every_login_has_secrets_of_its_own(world: World) -> None:
    asked = [query_of((await world.browser().set_out()).headers["location"]) for _ in range(5)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in asked}) == 5


async def test_the_client_shows_its_secret_as_the_provider_wants_it(world: World) -> None:
    await world.browser().log_in("oidc:acme")
    assert world.provider.given["client_secret"] == CLIENT_SECRET
    world.provider.description = {"token_endpoint_auth_methods_supported": ["client_secret_basic", "none"]}
    async with callers(world.stage, **variables(world.provider)) as api:
        await World(world.stage, world.provider, api).browser().log_in("google")
    shown = base64.b64decode(world.provider.given["authorization"].removeprefix("Basic ")).decode()
    assert [unquote_plus(half) for half in shown.split(":")] == [CLIENT_ID, CLIENT_SECRET]
    assert "client_secret" not in world.provider.given


async def test_apple_is_shown_a_secret_that_is_signed_anew_each_time(world: World) -> None:
    assert (await world.browser().log_in("apple")).status_code == 200
    token = jwt.decode(world.provider.given["client_secret"], APPLE_KEY, algorithms=["ES256"])
    now = int(world.stage.clock.now().timestamp())
    assert token.header["kid"] == "KEY1234567"
    assert token.claims == {
        "iss": "TEAM123456",
        "sub": "plaza.services",
        "aud": world.provider.issuer,
        "iat": now,
        "exp": now + 300,
    }


async def test_apple_answers_by_a_form_and_the_cookie_comes_with_the_get_that_follows(world: World) -> None:
    browser = world.browser()
    left = await browser.set_out("apple")
    assert query_of(left.headers["location"])["response_mode"] == "form_post"
    back = query_of(await browser.visit(left.headers["location"]))
    user = '{"name":{"firstName":"Augusta","lastName":"King"},"email":"ada@example.com"}'
    async with world.api.at() as elsewhere:  # a post from another site: without cookies
        bounced = await elsewhere.post(f"{AUTH}/oauth/apple/callback", data={**back, "user": user})
    assert bounced.status_code == 303
    assert bounced.headers["location"].startswith(f"{HOME}{AUTH}/oauth/apple/callback?")
    world.provider.person.claims["name"] = None
    arrived = await browser.come_back(bounced.headers["location"])
    answer = await browser.exchange(query_of(arrived.headers["location"])["code"])
    assert answer.json()["user"]["display_name"] == "Augusta King"


async def test_a_script_is_told_the_address_instead_of_being_sent_there(world: World) -> None:
    browser = world.browser()
    answer = await browser.http.get(f"{AUTH}/oauth/google/authorize", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    arrived = await browser.come_back(await browser.visit(answer.json()["url"]))
    assert (await browser.exchange(query_of(arrived.headers["location"])["code"])).status_code == 200


async def test_to_prove_it_anew_the_provider_is_asked_for_a_new_login_and_believed_no_older_one(world: World) -> None:
    left = await world.browser().set_out(reauthenticate="true")
    assert query_of(left.headers["location"])["prompt"] == "login"
    now = world.stage.clock.now()
    world.provider.id_claims = {"auth_time": int((now - timedelta(minutes=11)).timestamp())}
    assert await world.browser().round_trip(reauthenticate="true") == {"error": "OAUTH_REJECTED"}
    world.provider.id_claims = {"auth_time": int(now.timestamp())}
    assert (await world.browser().log_in(reauthenticate="true")).status_code == 200


# Where it ends


async def test_it_ends_at_an_allowed_address_with_the_path_to_go_on_to(world: World) -> None:
    browser = world.browser()
    left = await browser.set_out(redirect_to="https://app.example/cb?kept=1", next="/rooms/7?tab=a#b")
    arrived = await browser.come_back(await browser.visit(left.headers["location"]))
    address, _, _ = arrived.headers["location"].partition("&")
    assert address == "https://app.example/cb?kept=1"
    assert query_of(arrived.headers["location"])["next"] == "/rooms/7?tab=a#b"


async def test_an_app_fetches_its_tokens_with_its_verifier_and_without_cookies(world: World) -> None:
    verifier, challenge = pkce()
    back = await world.browser().round_trip(redirect_to=APP, code_challenge=challenge)
    app = world.browser("203.0.113.2")
    assert (await app.exchange(back["code"], code_verifier=verifier)).status_code == 200


async def test_without_settings_there_is_no_provider(plaza: Stage) -> None:
    client = plaza.client()
    for method, path, body in (
        ("GET", "oauth/google/authorize", None),
        ("GET", "oauth/oidc:acme/callback?state=a&code=b", None),
        ("GET", "oauth/nobody/authorize", None),
        ("POST", "google", {"id_token": "a.b.c"}),
        ("POST", "apple", {"id_token": "a.b.c"}),
    ):
        answer = await client.request(method, f"{AUTH}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "PROVIDER_NOT_CONFIGURED"), path


# Settings


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OAUTH_GOOGLE_ISSUER", "http://accounts.google.com", "https://"),
        ("OAUTH_REDIRECT_URLS", "/account", "whole addresses"),
        ("OAUTH_REDIRECT_URLS", "https://a.example/#x", "without a fragment"),
        ("OAUTH_APPLE_CLIENT_ID", "plaza", "oauth_apple_team_id"),
        ("OAUTH_OIDC", "[{]", "JSON list"),
        ("OAUTH_OIDC", '[{"name":"A B","issuer":"https://a.example","client_id":"c"}]', "JSON list"),
        ("OAUTH_OIDC", '[{"name":"a","issuer":"http://a.example","client_id":"c","client_secret":"hush"}]', "https://"),
        ("OAUTH_OIDC", '[{"name":"a","issuer":"https://a.example","client_secret":"hush"}]', "client_id"),
        (
            "OAUTH_OIDC",
            '[{"name":"a","issuer":"https://a.example","client_id":"c","clientsecret":"hush"}]',
            "JSON list",
        ),
        (
            "OAUTH_OIDC",
            '[{"name":"a","issuer":"https://a.example","client_id":"c"},{"name":"a","issuer":"https://b.example","client_id":"c"}]',
            "twice",
        ),
    ],
)
def test_wrong_settings_are_named_at_start_without_a_secret(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        configuration_for("postgresql+asyncpg://x/y", "redis://localhost", **{f"PLAZA_IDENTITY_{name}": value})
    assert f"PLAZA_IDENTITY_{name}" in str(refused.value)
    assert told in str(refused.value)
    assert "hush" not in str(refused.value)


async def test_a_provider_that_fails_while_one_is_sent_there_is_a_502(world: World) -> None:
    world.provider.instead["/.well-known/openid-configuration"] = lambda: reply({}, 500)
    answer = await world.browser().set_out()
    assert (answer.status_code, await code_of(answer)) == (502, "OUTSIDE_SERVICE_FAILED")

"""Access tokens of an outside issuer: who is let in by them, as whom, for how long, and which are refused."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import ECKey

from plaza.core.actor import Actor
from plaza.core.settings import SettingsError
from plaza.domain_events.identity import SessionId, UserId
from plaza.identity import SessionService
from plaza.identity.models import EndReason
from plaza.identity.service import CallerService, OutsideSessionService, UserService
from tests.identity.builders import PASSWORD, a_person, mails_to
from tests.identity.outside import HOME, World, variables
from tests.identity.provider import Provider, encoded, reply, serving
from tests.support.callers import callers
from tests.support.stage import Stage, configuration_for

AUDIENCE = "project-live-1"
ISSUER = "stytch.com/project-live-1"
ORGANIZATION, SESSION = "https://stytch.com/organization", "https://stytch.com/session"


def stytch(of: Provider, **changes: Any) -> dict[str, str]:
    return stytch_at(of.issuer, **changes)


def stytch_at(url: str, **changes: Any) -> dict[str, str]:
    """Its B2B session tokens, whose members' addresses an own template adds."""
    issuer = {
        "name": "stytch",
        "issuer": ISSUER,
        "jwks_url": f"{url}/keys",
        "audience": [AUDIENCE],
        "algorithms": ["RS256", "ES256"],
        "session_claim": [SESSION, "id"],
        "email_verified_claim": None,
        "email_domains": ["example.com"],
        "organization_claim": [ORGANIZATION, "organization_id"],
        "roles_claim": [SESSION, "roles"],
        "roles": {"stytch_admin": "support"},
        **changes,
    }
    return {"PLAZA_IDENTITY_JWT_ISSUERS": json.dumps([issuer])}


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with serving(plaza.clock) as provider, callers(plaza, **variables(provider), **stytch(provider)) as api:
        yield World(plaza, provider, api)


def token(world: World, **claims: Any) -> str:
    """`session`, `roles`, `header` and `key` are no claims of that name."""
    session, roles = claims.pop("session", "session-live-1"), claims.pop("roles", ("stytch_member",))
    header, key = claims.pop("header", {}), claims.pop("key", None)
    now = int(world.stage.clock.now().timestamp())
    given = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "member-live-1",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        ORGANIZATION: {"organization_id": "organization-live-1", "slug": "engines"},
        SESSION: {"id": session, "roles": list(roles)},
        **claims,
    }
    return world.provider.sign(
        {name: value for name, value in given.items() if value is not None}, {"typ": "JWT", **header}, key
    )


async def me(world: World, bearer: str) -> httpx.Response:
    async with world.api.at(token=bearer) as http:
        return await http.get("/api/v1/auth/user")


async def actor_of(world: World, bearer: str) -> Actor:
    return await world[CallerService].authenticate(bearer)


async def end(world: World, actor: Actor) -> None:
    assert actor.session_id is not None
    (await world[SessionService].end(actor, SessionId(actor.session_id))).unwrap()


async def refusal(world: World, bearer: str) -> str | None:
    answer = await me(world, bearer)
    return answer.json()["code"] if answer.status_code != 200 else None


async def test_a_person_is_made_at_first_sight(world: World) -> None:
    answer = await me(world, token(world))
    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["email"], user["status"], user["display_name"]) == ("ada@example.com", "active", "Ada Lovelace")
    (linked,) = await world.rows("select provider, provider_user_id from identity_linked_account")
    assert dict(linked) == {"provider": "jwt:stytch", "provider_user_id": "member-live-1"}
    (vouched,) = await world.rows("select email_vouched_by, password_hash from identity_user")
    assert dict(vouched) == {"email_vouched_by": "jwt:stytch", "password_hash": None}


async def test_from_then_on_they_are_known_by_their_name_there(world: World) -> None:
    first = (await me(world, token(world))).json()["id"]
    again = await me(world, token(world, session="session-live-2", email=None))
    assert again.json()["id"] == first
    assert len(await world.rows("select 1 from identity_user")) == 1


async def test_who_they_are_to_the_rest_of_plaza(world: World) -> None:
    now = world.stage.clock.now()
    actor = await actor_of(world, token(world, amr=["pwd", "mfa"], auth_time=int(now.timestamp())))
    assert actor.methods == {"fed", "pwd", "mfa"}
    assert actor.authenticated_at == now.replace(microsecond=0)
    assert (actor.scopes, actor.is_superuser, actor.permissions) == (None, False, frozenset())
    assert actor.organization_id is not None
    colleague = await actor_of(world, token(world, sub="member-live-2", session="s-2", email="grace@example.com"))
    assert colleague.organization_id == actor.organization_id
    other = {"organization_id": str(actor.organization_id)}  # one that calls itself by our id
    stranger = await actor_of(
        world, token(world, sub="m-3", session="s-3", email="eve@example.com", **{ORGANIZATION: other})
    )
    assert stranger.organization_id not in (None, actor.organization_id)


async def test_roles_are_the_issuers_as_far_as_they_are_mapped(world: World) -> None:
    plain = await actor_of(world, token(world, roles=("stytch_member", "superuser", "support")))
    assert plain.permissions == frozenset()
    staff = await actor_of(world, token(world, session="s-2", roles=("stytch_admin",)))
    assert staff.is_staff
    assert staff.permissions
    assert not staff.is_superuser


async def test_what_was_granted_here_counts_in_sessions_of_ours_only(world: World) -> None:
    user_id = (await me(world, token(world))).json()["id"]
    await world.rows("update identity_user set is_superuser = true, is_staff = true where id = :id", id=user_id)
    actor = await actor_of(world, token(world, session="s-2"))
    assert not actor.is_superuser
    assert not actor.is_staff


async def test_without_a_time_of_login_what_needs_a_recent_one_is_shut(world: World) -> None:
    async with world.api.at(token=token(world)) as http:
        refused = await http.delete(f"/api/v1/auth/linked-accounts/{uuid4()}")
    assert (refused.status_code, refused.json()["code"]) == (403, "STEP_UP_REQUIRED")


# Sessions


async def test_a_session_here_stands_for_each_there(world: World) -> None:
    bearer = token(world)
    async with world.api.at("198.51.100.7", bearer) as http:
        sessions = (await http.get("/api/v1/auth/sessions")).json()["items"]
    assert [(each["ip"], each["current"]) for each in sessions] == [("198.51.100.7", True)]
    world.stage.clock.advance(timedelta(minutes=4))
    await actor_of(world, token(world))  # a new token of the same session
    await actor_of(world, token(world, session="s-2"))
    rows = await world.rows("select methods, expires_at, last_used_at from identity_session order by id")
    assert [each["methods"] for each in rows] == [["fed"], ["fed"]]
    now = world.stage.clock.now()
    assert rows[0]["last_used_at"] == now
    assert rows[0]["expires_at"] == (now + timedelta(seconds=300)).replace(microsecond=0)
    (opened, _) = await world.rows("select after from audit_entry where action = 'identity.session_opened' order by id")
    assert opened["after"] == {"issuer": "stytch", "methods": ["fed"]}


async def test_ending_it_here_shuts_out_every_token_of_it(world: World) -> None:
    old, other = token(world), token(world, session="s-2")
    actor = await actor_of(world, old)
    await actor_of(world, other)
    await end(world, actor)
    assert await refusal(world, old) == "UNAUTHENTICATED"
    world.stage.clock.advance(timedelta(seconds=10))
    assert await refusal(world, token(world)) == "UNAUTHENTICATED"
    assert await refusal(world, other) is None


async def test_an_ended_session_stays_ended_when_its_row_is_long_gone(world: World) -> None:
    actor = await actor_of(world, token(world))
    await end(world, actor)
    world.stage.clock.advance(timedelta(days=40))
    (await world[SessionService].purge()).unwrap()
    (await world[OutsideSessionService].purge()).unwrap()
    assert not await world.rows("select 1 from identity_session")
    assert await refusal(world, token(world)) == "UNAUTHENTICATED"
    assert await refusal(world, token(world, session="s-2")) is None


async def test_names_of_sessions_are_forgotten_when_no_issuer_keeps_one_for_so_long(world: World) -> None:
    await actor_of(world, token(world))
    world.stage.clock.advance(timedelta(days=500))
    (await world[OutsideSessionService].purge()).unwrap()
    assert not await world.rows("select 1 from identity_outside_session")


async def test_it_lasts_no_longer_than_ours_may(world: World) -> None:
    """However often the issuer renews its tokens (ASVS 7.6.1)."""
    await actor_of(world, token(world))
    world.stage.clock.advance(timedelta(days=91))
    assert await refusal(world, token(world)) == "UNAUTHENTICATED"


@pytest.mark.parametrize("status", ["deactivated", "banned"])
async def test_a_disabled_person_is_shut_out_within_the_life_of_a_token(world: World, status: str) -> None:
    bearer = token(world)
    actor = await actor_of(world, bearer)
    await world.rows("update identity_user set status = :status", status=status)
    (await world[SessionService].end_all(UserId(actor.user_id), EndReason.ACCOUNT_DISABLED)).unwrap()
    assert await refusal(world, bearer) == "UNAUTHENTICATED"
    assert await refusal(world, token(world, session="s-2")) == "UNAUTHENTICATED"


async def test_a_token_is_verified_once_and_believed_until_it_expires(world: World) -> None:
    bearer = token(world)
    for _ in range(3):
        assert await refusal(world, bearer) is None
    assert world.provider.requests["/keys"] == 1
    world.stage.clock.advance(timedelta(seconds=301))
    assert await refusal(world, bearer) == "UNAUTHENTICATED"


async def test_a_person_who_changed_is_looked_up_anew_not_sent_for_another_token(world: World) -> None:
    bearer = token(world)
    actor = await actor_of(world, bearer)
    await world.rows("update identity_user set token_version = 7, token_version_at = now()")
    world[CallerService].outside.stale.outdate(UserId(actor.user_id), 7)
    assert await actor_of(world, bearer) == actor


# Addresses


async def test_an_address_that_came_from_the_issuer_changes_with_it(world: World) -> None:
    await actor_of(world, token(world))
    await actor_of(world, token(world, session="s-2", email="countess@example.com"))
    assert [dict(row) for row in await world.rows("select email from identity_user")] == [
        {"email": "countess@example.com"}
    ]
    (entry,) = await world.rows("select before, after from audit_entry where action = 'identity.email_changed'")
    assert (entry["before"], entry["after"]) == ({"email": "ada@example.com"}, {"email": "countess@example.com"})


async def test_an_address_that_was_proved_here_or_is_anothers_does_not(world: World) -> None:
    await actor_of(world, token(world))
    await actor_of(world, token(world, sub="member-live-2", session="s-2", email="grace@example.com"))
    await actor_of(world, token(world, session="s-3", email="grace@example.com"))
    await world.rows("update identity_user set email_vouched_by = null")
    await actor_of(world, token(world, session="s-4", email="countess@example.com"))
    rows = await world.rows("select email from identity_user order by id")
    assert [row["email"] for row in rows] == ["ada@example.com", "grace@example.com"]


@pytest.mark.parametrize(
    "claims",
    [{"email": None}, {"email": "eve@elsewhere.example"}, {"email": "no address"}, {"email": ["ada@example.com"]}],
)
async def test_nobody_is_made_without_an_address_that_the_issuer_may_vouch_for(
    world: World, claims: dict[str, Any]
) -> None:
    assert await refusal(world, token(world, **claims)) == "UNAUTHENTICATED"
    assert await world.is_untouched()


async def test_somebody_with_that_address_is_found_and_told(world: World) -> None:
    ada = await a_person(world.stage)
    assert (await me(world, token(world))).json()["id"] == str(ada.id)
    assert any("jwt:stytch" in mail["body"] for mail in await mails_to(world.stage, ada.email))


async def test_staff_are_not(world: World) -> None:
    (await world.stage[UserService].create("ada@example.com", PASSWORD, is_staff=True)).unwrap()
    assert await refusal(world, token(world)) == "UNAUTHENTICATED"
    assert not await world.rows("select 1 from identity_linked_account")


async def test_a_second_factor_here_must_have_been_shown_there(world: World) -> None:
    ada = await a_person(world.stage)
    await world.rows(
        "insert into identity_totp_device (id, user_id, sealed_secret, confirmed_at, created_at, version) "
        "values (gen_random_uuid(), :id, 'sealed', now(), now(), 1)",
        id=ada.id,
    )
    assert await refusal(world, token(world, amr=["pwd"])) == "UNAUTHENTICATED"
    assert not await world.rows("select 1 from identity_linked_account")
    assert await refusal(world, token(world, amr=["pwd", "mfa"])) is None


# Refused


async def test_tokens_that_are_not_exactly_right_are_refused(world: World) -> None:
    now = int(world.stage.clock.now().timestamp())
    stranger = ECKey.generate_key("P-256", private=True, parameters={"kid": str(world.provider.key.kid)})
    own = (await a_person(world.stage, "own@example.com")).pair.access_token
    good = token(world)
    head, body, signature = good.split(".")
    header = {"alg": "ES256", "kid": world.provider.key.kid, "typ": "JWT"}
    public = json.dumps(world.provider.key.as_dict(private=False)).encode()
    symmetric = f"{encoded({**header, 'alg': 'HS256'})}.{body}"
    bad = {
        "expired": token(world, exp=now),
        "without end": token(world, exp=None),
        "endless": token(world, exp=now + 86_400),
        "not yet valid": token(world, nbf=now + 60),
        "issued later": token(world, iat=now + 60),
        "another audience": token(world, aud="project-live-2"),
        "no audience": token(world, aud=[]),
        "another issuer": token(world, iss="stytch.com/project-live-2"),
        "no subject": token(world, sub=None),
        "no session": token(world, **{SESSION: None}),
        "a session that is no name": token(world, **{SESSION: {"id": 7}}),
        "another type": token(world, header={"typ": "id+jwt"}),
        "a logout token": token(world, header={"typ": "logout+jwt"}),
        "no type": token(world, header={"typ": None}),
        "a foreign key": token(world, key=stranger),
        "a foreign key in the header": token(
            world, key=stranger, header={"jwk": stranger.as_dict(private=False), "jku": f"{world.provider.issuer}/keys"}
        ),
        "an unknown key": token(world, header={"kid": "unknown"}),
        "critical": f"{encoded({**header, 'crit': ['exp']})}.{body}.{signature}",
        "none": f"{encoded({**header, 'alg': 'none'})}.{body}.",
        "none with a signature": f"{encoded({**header, 'alg': 'none'})}.{body}.{signature}",
        "hmac": f"{symmetric}.{base64.urlsafe_b64encode(hmac.digest(public, symmetric.encode(), 'sha256')).decode().rstrip('=')}",
        "another algorithm": f"{encoded({**header, 'alg': 'ES384'})}.{body}.{signature}",
        "altered": f"{head}.{encoded({'iss': ISSUER, 'sub': 'root'})}.{signature}",
        "huge": token(world, padding="x" * 20_000),
        "deep": f"{head}.{base64.urlsafe_b64encode(b'[' * 9000).decode().rstrip('=')}.{signature}",
        "of another installation": own,
    }
    for what, bearer in bad.items():
        assert await refusal(world, bearer) == "UNAUTHENTICATED", what
    assert not await world.rows("select 1 from identity_linked_account")
    assert await refusal(world, good) is None


async def test_our_own_tokens_are_accepted_as_before_and_theirs_refresh_nothing(world: World) -> None:
    browser = world.browser()
    await browser.sign_in_with_password("grace@example.com")
    assert (await browser.http.get("/api/v1/auth/user", headers=browser.headers)).status_code == 200
    refused = await browser.http.post("/api/v1/auth/token/refresh", json={"refresh_token": token(world)})
    assert refused.status_code == 401


async def test_without_an_issuer_their_tokens_are_nobodys(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/auth/user", headers={"Authorization": f"Bearer {token(world)}"})
    assert answer.status_code == 401
    assert world.provider.requests["/keys"] == 0


async def test_keys_that_cannot_be_had_make_nobody_a_stranger(world: World) -> None:
    world.provider.instead["/keys"] = lambda: reply({}, 500)
    assert await refusal(world, token(world)) == "UNAVAILABLE"
    world.provider.instead.clear()
    assert await refusal(world, token(world)) is None


async def test_fifty_first_calls_at_once_make_one_person_and_one_session(world: World) -> None:
    one, other = token(world), token(world, amr=["pwd"])  # two tokens of one session
    actors = await asyncio.gather(*(actor_of(world, one if n % 2 else other) for n in range(50)))
    assert len({(each.user_id, each.session_id) for each in actors}) == 1
    for table in ("identity_user", "identity_session", "identity_linked_account", "identity_outside_session"):
        assert len(await world.rows(f"select 1 from {table}")) == 1, table


# One provider in two roles


async def test_who_logs_in_there_by_browser_is_the_same_person_by_token(plaza: Stage) -> None:
    async with serving(plaza.clock) as provider:
        given = stytch(provider, provider="oidc:acme")
        async with callers(plaza, **variables(provider, email_domains=["example.com"]), **given) as api:
            world = World(plaza, provider, api)
            first = (await world.browser().log_in("oidc:acme")).json()["user"]["id"]
            assert (await me(world, token(world, sub=provider.person.sub))).json()["id"] == first


# Settings


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"roles": {"admin": "superuser"}}, "superuser"),
        ({"algorithms": ["HS256"]}, "cannot be trusted"),
        ({"algorithms": ["none"]}, "cannot be trusted"),
        ({"jwks_url": "http://keys.example"}, "https://"),
        ({"audience": []}, "audience"),
        ({"max_token_s": 1_000_000}, "max_token_s"),
        ({"provider": "google"}, "provider"),
        ({"issuer": ""}, "issuer"),
        ({"isuer": "x"}, "isuer"),
    ],
)
def test_wrong_settings_are_named_at_start(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        configuration_for(
            "postgresql+asyncpg://x/y", "redis://localhost", **stytch_at("https://keys.example", **changes)
        )
    assert "PLAZA_IDENTITY_JWT_ISSUERS" in str(refused.value)
    assert told in str(refused.value)


async def test_an_issuer_cannot_be_called_what_we_are(plaza: Stage) -> None:
    given = {"PLAZA_PUBLIC_URL": HOME, **stytch_at("https://keys.example", issuer=HOME)}
    with pytest.raises(SettingsError, match="this installation itself"):
        async with callers(plaza, **given):
            pass

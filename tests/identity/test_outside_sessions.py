"""Access tokens of an outside issuer: who is let in by them, as whom, for how long, and which are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from plaza.core.origin import coming_from
from plaza.core.result import Failure
from plaza.domain_events.identity import UserId
from plaza.identity import SessionService
from plaza.identity.models import EndReason, User
from plaza.identity.service import CallerService, LoginAttempts, Newcomers, OutsideSessionService, UserService
from tests.identity.builders import HERE, PASSWORD, a_person, codes_to, is_told, jobs_done, mails_to, register, verify
from tests.identity.issuer import (
    ORGANIZATION,
    actor_of,
    end,
    me,
    refusal,
    stytch,
    token,
)
from tests.identity.outside import World, variables
from tests.identity.provider import serving
from tests.identity.staff import audited
from tests.support.callers import callers
from tests.support.stage import Stage

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1"


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with serving(plaza.clock) as provider, callers(plaza, **variables(provider), **stytch(provider)) as api:
        yield World(plaza, provider, api)


async def test_a_person_is_made_at_first_sight(world: World) -> None:
    answer = await me(world, token(world))
    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["email"], user["status"], user["display_name"]) == ("ada@example.com", "active", "Ada Lovelace")
    (linked,) = await world.rows("select provider, provider_user_id from identity_linked_account")
    assert dict(linked) == {"provider": "jwt:stytch", "provider_user_id": "member-live-1"}
    (vouched,) = await world.rows("select email_vouched_by, password_hash from identity_user")
    assert dict(vouched) == {"email_vouched_by": "jwt:stytch", "password_hash": None}
    (opened,) = await audited(world.stage, "identity.account_opened")
    assert (opened.actor_id, str(opened.user_id)) == (None, user["id"])
    assert (opened.after["by"], opened.after["has_password"]) == ("jwt:stytch", False)


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
    assert opened["after"] == {"device": "python-httpx", "issuer": "stytch", "methods": ["fed"]}


async def test_each_is_written_down_as_a_login(world: World) -> None:
    """Once, however many tokens it has."""
    with coming_from("198.51.100.7", PHONE):
        ada = await actor_of(world, token(world, amr=["pwd"]))
        world.stage.clock.advance(timedelta(minutes=4))
        await actor_of(world, token(world, amr=["pwd"]))
        await actor_of(world, token(world, session="s-2", email=None))
    first, second = await world.rows("select * from identity_login_attempt order by id")
    assert (first["user_id"], first["method"], first["outcome"]) == (ada.user_id, "fed+pwd", "ok")
    assert (first["ip"], first["user_agent"]) == ("198.51.100.7", PHONE)
    assert first["identifier_hash"] == world[LoginAttempts].hashed("ada@example.com")
    assert second["identifier_hash"] == world[LoginAttempts].hashed(str(ada.user_id))
    assert not await world.rows("select 1 from identity_refresh_token")
    (person,) = await world.rows("select last_login_at from identity_user")
    assert person["last_login_at"] == world.stage.clock.now()


async def test_its_owner_hears_of_a_device_that_is_new_to_them(world: World) -> None:
    ada = await a_person(world.stage)
    for session in ("s-1", "s-2"):
        with coming_from("198.51.100.7", PHONE):
            await actor_of(world, token(world, session=session))
    with coming_from(HERE.ip, HERE.user_agent):  # where she has logged in before
        await actor_of(world, token(world, session="s-3"))
    await jobs_done(world.stage)
    told = [mail for mail in await mails_to(world.stage, ada.email, at_least=1) if "new login" in mail["subject"]]
    assert [("Safari on iOS, 198.51.100.7" in mail["body"]) for mail in told] == [True]


async def test_the_first_session_of_somebody_new_is_no_news(world: World) -> None:
    with coming_from("198.51.100.7", PHONE):
        await actor_of(world, token(world))
    await jobs_done(world.stage)
    told = await mails_to(world.stage, "ada@example.com", at_least=1)
    assert not [mail for mail in told if "new login" in mail["subject"]]


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
    await is_told(world.stage, "ada@example.com", "Your e-mail address was changed")


async def test_a_registration_that_nobody_proved_gives_way_to_it(world: World) -> None:
    new = "countess@example.com"
    await actor_of(world, token(world))
    await register(world.stage, new)
    (code,) = await codes_to(world.stage, new)
    actor = await actor_of(world, token(world, session="s-2", email=new))
    (row,) = await world.rows("select id, email from identity_user")
    assert (row["id"], row["email"]) == (actor.user_id, new)
    assert isinstance(await verify(world.stage, new, code), Failure)


async def test_whoever_is_faster_to_an_address_has_it_and_nobody_is_kept_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes the address between the look and the change."""
    new, newcomers = "countess@example.com", world[Newcomers]
    await actor_of(world, token(world))
    displaced_by = newcomers.displaced_by

    async def slow(user_id: UserId, *, email: str | None = None, phone: str | None = None) -> User | None:
        found = await displaced_by(user_id, email=email, phone=phone)
        await asyncio.create_task(a_person(world.stage, new), context=Context())
        return found

    monkeypatch.setattr(newcomers, "displaced_by", slow)
    answer = await me(world, token(world, session="s-2", email=new))
    assert (answer.status_code, answer.json()["email"]) == (200, "ada@example.com")
    assert not await world.rows("select 1 from audit_entry where action = 'identity.email_changed'")
    await jobs_done(world.stage)
    told = await mails_to(world.stage, "ada@example.com", at_least=0)
    assert not any("was changed" in each["subject"] for each in told)


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
    await is_told(world.stage, ada.email, "jwt:stytch")


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


# One provider in two roles


async def test_who_logs_in_there_by_browser_is_the_same_person_by_token(plaza: Stage) -> None:
    async with serving(plaza.clock) as provider:
        given = stytch(provider, provider="oidc:acme")
        async with callers(plaza, **variables(provider, email_domains=["example.com"]), **given) as api:
            world = World(plaza, provider, api)
            first = (await world.browser().log_in("oidc:acme")).json()["user"]["id"]
            assert (await me(world, token(world, sub=provider.person.sub))).json()["id"] == first


async def test_fifty_first_calls_at_once_make_one_person_and_one_session(world: World) -> None:
    one, other = token(world), token(world, amr=["pwd"])  # two tokens of one session
    actors = await asyncio.gather(*(actor_of(world, one if n % 2 else other) for n in range(50)))
    assert len({(each.user_id, each.session_id) for each in actors}) == 1
    for table in ("identity_user", "identity_session", "identity_linked_account", "identity_outside_session"):
        assert len(await world.rows(f"select 1 from {table}")) == 1, table

"""Accounts elsewhere: linking them while signed in, seeing them, removing them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from plaza.domain_events.identity import UserId
from tests.identity.builders import is_told, mails_to
from tests.identity.outside import APP, AUTH, Browser, World, world_of
from tests.identity.provider import Person, query_of
from tests.support.stage import Stage

ADA = "ada@example.com"


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


async def signed_in(world: World, email: str = ADA) -> tuple[UserId, Browser]:
    browser = world.browser()
    return await browser.sign_in_with_password(email), browser


async def linked_at(browser: Browser, provider: str = "google", **given: str) -> dict[str, str]:
    """How the way to the provider and back ends."""
    begun = await browser.link(provider, **given)
    assert begun.status_code == 200, begun.text
    arrived = await browser.come_back(await browser.visit(begun.json()["url"]))
    return query_of(arrived.headers["location"])


async def test_whatever_its_address_an_account_can_be_linked_by_whoever_is_signed_in(world: World) -> None:
    ada, browser = await signed_in(world)
    world.provider.person = Person("g-1", "somebody@else.example", email_verified=False)
    assert await linked_at(browser, next="/settings") == {"linked": "google", "next": "/settings"}
    (account,) = await browser.linked()
    assert (account["provider"], account["email"]) == ("google", "somebody@else.example")
    assert (await world.browser().log_in()).json()["user"]["id"] == str(ada)
    await is_told(world.stage, ADA, "google")
    (entry,) = await world.rows("select * from audit_entry where action = 'identity.account_linked'")
    (session, _) = await world.rows("select id from identity_session order by id")
    assert (entry["actor_id"], entry["session_id"]) == (ada, session["id"])


async def test_linking_again_changes_nothing(world: World) -> None:
    _, browser = await signed_in(world)
    assert [await linked_at(browser) for _ in range(2)] == [{"linked": "google"}] * 2
    assert len(await browser.linked()) == 1


async def test_an_account_belongs_to_one_person(world: World) -> None:
    _, ada = await signed_in(world)
    await linked_at(ada)
    _, grace = await signed_in(world, "grace@example.com")
    assert await linked_at(grace) == {"error": "LINKED_ACCOUNT_TAKEN"}
    assert await grace.linked() == []


async def test_linking_needs_a_recent_login(world: World) -> None:
    _, browser = await signed_in(world)
    world.stage.clock.advance(timedelta(minutes=10, seconds=1))
    refused = await browser.link()
    assert (refused.status_code, refused.json()["code"]) == (403, "STEP_UP_REQUIRED")
    refused = await browser.unlink(str(uuid4()))
    assert (refused.status_code, refused.json()["code"]) == (403, "STEP_UP_REQUIRED")


async def test_linking_is_for_whoever_is_signed_in(world: World) -> None:
    assert (await world.browser().link()).status_code == 401
    assert (await world.browser().http.get(f"{AUTH}/linked-accounts")).status_code == 401


async def test_a_link_that_was_begun_elsewhere_is_not_completed(world: World) -> None:
    """An attacker begins to link; the victim, signed in at the provider, follows the address."""
    _, attacker = await signed_in(world)
    url = (await attacker.link()).json()["url"]
    victim = world.browser("203.0.113.9")
    await victim.set_out()
    arrived = await victim.come_back(await victim.visit(url))
    assert query_of(arrived.headers["location"]) == {"error": "OAUTH_STATE_INVALID"}
    assert await attacker.linked() == []


async def test_a_session_that_ends_on_the_way_links_nothing(world: World) -> None:
    _, browser = await signed_in(world)
    begun = await browser.link()
    url = await browser.visit(begun.json()["url"])
    await browser.http.post(f"{AUTH}/logout", headers=browser.headers)
    arrived = await browser.come_back(url)
    assert query_of(arrived.headers["location"]) == {"error": "OAUTH_STATE_INVALID"}
    assert not await world.rows("select 1 from identity_linked_account")


async def test_a_link_ends_at_allowed_addresses_only(world: World) -> None:
    _, browser = await signed_in(world)
    assert (await browser.link(redirect_to="https://evil.example")).status_code == 400
    assert (await browser.link(next="//evil.example")).status_code == 400
    assert (await browser.link(redirect_to=APP)).status_code == 200


async def test_removing_it_shuts_that_way_and_tells_its_owner(world: World) -> None:
    ada, browser = await signed_in(world)
    await linked_at(browser, "github")
    (account,) = await browser.linked()
    assert (await browser.unlink(account["id"])).status_code == 204
    assert await browser.linked() == []
    (entry,) = await world.rows("select * from audit_entry where action = 'identity.account_unlinked'")
    assert (entry["actor_id"], entry["before"]) == (ada, {"provider": "github", "email": ADA})
    await is_told(world.stage, ADA, "no longer")
    assert (await browser.unlink(account["id"])).status_code == 404
    refused = await world.browser().log_in("github")  # although it vouches for her address
    assert (refused.status_code, refused.json()["code"]) == (409, "LINK_REQUIRED")
    assert await browser.linked() == []


async def test_what_was_removed_is_linked_again_by_its_owner_signed_in(world: World) -> None:
    ada, browser = await signed_in(world)
    for _ in range(2):  # removing it a second time, too
        assert await linked_at(browser) == {"linked": "google"}
        (account,) = await browser.linked()
        assert (await browser.unlink(account["id"])).status_code == 204
        assert (await world.browser().log_in()).json()["code"] == "LINK_REQUIRED"
    await linked_at(browser)
    assert (await world.browser().log_in()).json()["user"]["id"] == str(ada)
    assert not await world.rows("select 1 from identity_unlinked_account")


async def test_what_one_person_removed_another_may_link(world: World) -> None:
    _, ada = await signed_in(world)
    await linked_at(ada)
    (account,) = await ada.linked()
    await ada.unlink(account["id"])
    grace_id, grace = await signed_in(world, "grace@example.com")
    assert await linked_at(grace) == {"linked": "google"}
    assert (await world.browser().log_in()).json()["user"]["id"] == str(grace_id)


async def test_other_sessions_end_where_that_is_asked_for(world: World) -> None:
    _, browser = await signed_in(world)
    await linked_at(browser)
    other = world.browser()
    other.sign_in(await other.log_in())
    (account,) = await browser.linked()
    answer = await browser.http.delete(
        f"{AUTH}/linked-accounts/{account['id']}", params={"end_other_sessions": "true"}, headers=browser.headers
    )
    assert answer.status_code == 204
    assert (await other.http.get(f"{AUTH}/user", headers=other.headers)).status_code == 401
    assert (await browser.http.get(f"{AUTH}/user", headers=browser.headers)).status_code == 200


async def test_nobody_sees_or_removes_another_persons(world: World) -> None:
    _, ada = await signed_in(world)
    await linked_at(ada)
    (account,) = await ada.linked()
    _, grace = await signed_in(world, "grace@example.com")
    assert await grace.linked() == []
    refused = await grace.unlink(account["id"])
    assert (refused.status_code, refused.json()["code"]) == (404, "LINKED_ACCOUNT_NOT_FOUND")
    assert len(await ada.linked()) == 1


async def test_the_last_way_to_log_in_stays(world: World) -> None:
    browser = world.browser()
    browser.sign_in(await browser.log_in())
    (account,) = await browser.linked()
    refused = await browser.unlink(account["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "LAST_LOGIN_METHOD")
    assert len(await browser.linked()) == 1
    assert not await world.rows("select 1 from audit_entry where action = 'identity.account_unlinked'")


async def test_a_magic_link_that_came_back_is_another_way(world: World) -> None:
    """The provider's word for the address is not enough: no mail had been seen to arrive."""
    browser = world.browser()
    browser.sign_in(await browser.log_in())
    (account,) = await browser.linked()
    await browser.http.post(f"{AUTH}/magic-link", json={"email": ADA})
    mails = await mails_to(world.stage, ADA, at_least=2)
    (link,) = [mail["body"].partition("#login=")[2][:43] for mail in mails if "#login=" in mail["body"]]
    browser.sign_in(await browser.http.post(f"{AUTH}/magic-link/confirm", json={"token": link}))
    assert (await browser.unlink(account["id"])).status_code == 204


async def test_who_has_a_second_factor_links_only_after_showing_it(world: World) -> None:
    """A session that somebody opened with the password alone, shortly before the owner turned it on, is not enough."""
    ada, browser = await signed_in(world)
    await world.rows(
        "insert into identity_totp_device (id, user_id, sealed_secret, confirmed_at, created_at, version) "
        "values (gen_random_uuid(), :id, 'sealed', now(), now(), 1)",
        id=ada,
    )
    assert await linked_at(browser) == {"error": "STEP_UP_REQUIRED"}
    assert await browser.linked() == []

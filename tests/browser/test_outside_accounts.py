"""Logging in with an account elsewhere, and connecting one: through the pages, a provider's redirects and back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenWindow
from tests.identity.builders import PASSWORD, a_person, codes_to
from tests.identity.outside import variables
from tests.identity.provider import Person, Provider, serving
from tests.support.stage import Stage, free_port

ELSEWHERE = "request to another host"


@pytest.fixture
async def provider(plaza: Stage) -> AsyncIterator[Provider]:
    async with serving(plaza.clock) as provider:
        yield provider


@pytest.fixture
async def connected(plaza: Stage, provider: Provider, database_url: str, redis_url: str) -> AsyncIterator[Stage]:
    """The same installation with identity providers, at an address that they can send browsers back to."""
    port = free_port()
    settings = {**variables(provider), "PLAZA_PUBLIC_URL": f"http://localhost:{port}"}
    async with Stage(database_url, redis_url, worker=False, port=port, clock=plaza.clock, **settings) as stage:
        yield stage
        await stage.close_clients()


def home(stage: Stage) -> str:
    return f"http://localhost:{stage.port}"


async def test_an_account_elsewhere_lets_its_owner_in_and_back_to_where_it_began(
    connected: Stage, open_window: OpenWindow
) -> None:
    ada = await open_window("/", base_url=home(connected))
    ada.watch.expect(ELSEWHERE)
    await ada.part("login-google").click()
    await ada.is_online()
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")
    assert re.fullmatch(rf"{home(connected)}/(#/)?", ada.page.url), "no code stays in the address"

    await ada.page.goto("/account")
    await expect(ada.part("linked-accounts")).to_contain_text("Google")
    ada.watch.expect("409 .*/linked-accounts/")
    await ada.part("linked-remove").click()
    await ada.part("submit").click()
    await expect(ada.part("problem")).to_contain_text("last")


async def test_an_address_that_nobody_vouches_for_is_proved_by_a_code(
    plaza: Stage, connected: Stage, open_window: OpenWindow
) -> None:
    ada = await open_window("/account", base_url=home(connected))
    ada.watch.expect(ELSEWHERE)
    ada.watch.expect("403 .*/oauth/exchange")
    await ada.part("login-oidc:acme").click()
    await expect(ada.part("code-email")).to_have_text("ada@example.com")
    (code,) = await codes_to(plaza, "ada@example.com")
    await ada.part("code-input").press_sequentially(code)
    await expect(ada.part("linked-accounts")).to_contain_text("Acme")


async def test_somebody_signed_in_connects_an_account_and_disconnects_it(
    plaza: Stage, connected: Stage, open_window: OpenWindow
) -> None:
    await a_person(plaza, "nora@example.com", name="Nora")
    nora = await open_window("/account", base_url=home(connected))
    nora.watch.expect(ELSEWHERE)
    await nora.log_in("nora@example.com", PASSWORD)
    github = nora.part("linked-accounts").get_by_role("listitem").filter(has_text="GitHub")
    await expect(github).to_contain_text("Not connected")
    await github.get_by_test_id("linked-add").click()
    await expect(nora.part("account-notice")).to_have_text("The account is connected.")
    await expect(github).not_to_contain_text("Not connected")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)
    await github.get_by_test_id("linked-remove").click()
    await nora.part("field-end_other_sessions").check()
    await nora.part("submit").click()
    await expect(github).to_contain_text("Not connected")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(1)


async def test_who_has_only_an_account_elsewhere_proves_there_that_it_is_them(
    connected: Stage, provider: Provider, open_window: OpenWindow
) -> None:
    ada = await open_window("/account", base_url=home(connected))
    ada.watch.expect(ELSEWHERE)
    ada.watch.expect("403 .*/password/change")
    await ada.part("login-google").click()
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")

    async def change_password() -> None:
        await ada.part("password-change").click()
        await ada.part("field-new").fill("a quite different evening")
        await ada.part("submit").click()

    connected.clock.advance(timedelta(minutes=11))
    await change_password()
    await ada.part("confirm-google").click()
    await expect(ada.part("account-notice")).to_contain_text("can be changed now")
    assert provider.asked[-1]["prompt"] == "login"
    assert ada.page.url == f"{home(connected)}/account"
    await expect(ada.part("sessions-list").get_by_role("listitem")).to_have_count(1)
    await change_password()
    await expect(ada.part("account-notice")).to_have_text("Your password is changed.")

    connected.clock.advance(timedelta(minutes=11))
    await change_password()
    provider.callback = {"error": "access_denied", "code": None}
    await ada.part("confirm-google").click()
    await expect(ada.part("account-notice")).to_have_text("You did not allow it there.")
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")

    provider.callback, provider.person = {}, Person("248289761002", "bob@example.com", name="Bob")
    await change_password()
    await ada.part("confirm-google").click()
    await expect(ada.part("account-notice")).to_contain_text("somebody else")
    await expect(ada.part("me-name")).to_have_text("Bob")


async def test_what_went_wrong_elsewhere_is_told_at_the_login(
    connected: Stage, provider: Provider, open_window: OpenWindow
) -> None:
    provider.callback = {"error": "access_denied", "code": None}
    ada = await open_window("/account", base_url=home(connected))
    ada.watch.expect(ELSEWHERE)
    await ada.part("login-google").click()
    await expect(ada.part("auth-notice")).to_have_text("You did not allow it there.")
    assert ada.page.url == f"{home(connected)}/account"


async def test_a_form_that_a_provider_posts_from_its_own_site_lets_its_owner_in(
    connected: Stage, provider: Provider, open_window: OpenWindow
) -> None:
    """As Apple does. Its page is another site, so that the browser keeps the cookie back from the post, and only from that."""
    provider.posts_forms = True
    ada = await open_window("/", base_url=home(connected))
    ada.watch.expect(ELSEWHERE)
    await ada.part("login-apple").click()
    await ada.is_online()
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")

"""What the account page shows: what cannot be read is said, and read on demand; what people decide about being found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Locator, Route, expect

from plaza.identity import ProfileService
from plaza.identity.schemas import ProfilePatch
from plaza.identity.service import WaitlistService
from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.test_account import MAIL, account_of, breaks_no_rule, log_out
from tests.browser.window import Window
from tests.identity.builders import PASSWORD, a_person
from tests.support.stage import Stage


def unread(window: Window, section: str) -> Locator:
    return window.part(section).get_by_test_id("unread")


@pytest.mark.parametrize(("view", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
async def test_a_section_that_cannot_be_read_says_so_and_is_read_once_more(
    plaza: Stage, open_window: OpenWindow, view: dict[str, Any], scheme: str
) -> None:
    async def refuse(route: Route) -> None:
        problem = {"code": "UNAVAILABLE", "detail": "Plaza is busy."}
        await route.fulfill(status=503, json=problem, headers={"Retry-After": "1"})

    await a_person(plaza, MAIL, name="Nora")
    nora = await open_window("/account", **view, color_scheme=scheme)
    nora.watch.expect("503 ")
    refused = ("user", "profile", "passkeys?*", "mfa", "sessions?*", "api-keys?*", "linked-accounts?*")
    for each in refused:
        await nora.page.route(f"**/api/v1/auth/{each}", refuse)
    await nora.log_in(MAIL, PASSWORD)
    sections = ("profile", "privacy", "contacts", "factor", "sessions", "keys")
    for section in sections:
        await expect(unread(nora, section)).to_contain_text("cannot be shown. Plaza is busy.")
    await expect(unread(nora, "ways")).to_have_count(2)
    await expect(nora.part("profile-submit")).to_be_hidden()
    await expect(nora.part("totp-toggle")).to_be_hidden()
    await breaks_no_rule(nora)
    assert await nora.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    again = unread(nora, "contacts").get_by_role("button", name="Try again: Your addresses")
    await again.click()
    await expect(again).to_be_focused()
    for each in refused:
        await nora.page.unroute(f"**/api/v1/auth/{each}")
    for section in sections:
        await unread(nora, section).get_by_test_id("try-again").click()
        await expect(unread(nora, section)).to_have_count(0)
    assert await nora.focused() == "keys-title"
    await expect(nora.part("contact-email")).to_have_text(MAIL)
    await expect(nora.part("profile-name")).to_have_value("Nora")
    await expect(nora.part("totp-toggle")).to_have_text("Set up")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)


BEYOND_THE_PROFILE = ("contacts", "ways", "factor", "sessions", "keys", "data")


async def shows_the_wait(nora: Window) -> None:
    """Nothing but the profile; no window complains, so nothing was refused either."""
    await expect(nora.part("waiting")).to_be_visible()  # as long as the page is being read, nothing is
    await expect(nora.part("waiting")).to_contain_text("You are on the waitlist")
    await expect(nora.part("profile-name")).to_have_value("Nora")
    for section in BEYOND_THE_PROFILE:
        await expect(nora.part(section)).to_be_hidden()
    await expect(nora.part("unread")).to_have_count(0)


@pytest.mark.parametrize(("view", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
async def test_who_waits_has_their_profile_until_it_is_their_turn(
    plaza: Stage, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch, view: dict[str, Any], scheme: str
) -> None:
    monkeypatch.setattr(plaza[WaitlistService], "settings", replace(plaza[WaitlistService].settings, waitlist=True))
    nora = await account_of(plaza, open_window, **view, color_scheme=scheme)
    nora.watch.expect("401 .*/api/v1/auth/")  # the tokens from before the wait
    await expect(nora.part("waiting")).to_be_hidden()
    await expect(nora.part("profile-name")).to_have_value("Nora")  # what is filled in before it is read would be lost
    await nora.part("profile-username").fill("nora")
    await nora.part("profile-submit").click()
    await expect(nora.part("account-notice")).to_have_text("Your profile is saved.")
    await shows_the_wait(nora)
    await breaks_no_rule(nora)
    await nora.part("privacy-discoverable").uncheck()
    await nora.part("privacy-submit").click()
    await expect(nora.part("account-notice")).to_have_text("Your privacy settings are saved.")

    await nora.page.goto("/")
    await nora.page.wait_for_url("**/account")
    await shows_the_wait(nora)
    await log_out(nora)
    await nora.log_in(MAIL, PASSWORD)
    await shows_the_wait(nora)

    plaza.clock.advance(timedelta(hours=4))
    (await plaza[WaitlistService].sweep()).unwrap()
    await nora.part("profile-submit").click()
    for section in BEYOND_THE_PROFILE:
        await expect(nora.part(section)).to_be_visible()
    await expect(nora.part("contact-email")).to_have_text(MAIL)
    await nora.page.goto("/")
    await nora.is_online()


async def test_a_conversation_gives_way_to_the_wait(
    plaza: Stage, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaza[WaitlistService], "settings", replace(plaza[WaitlistService].settings, waitlist=True))
    person = await a_person(plaza, MAIL, name="Nora")
    nora = await open_window()
    nora.watch.expect("40[13] .*/api/v1/")
    await nora.log_in(MAIL, PASSWORD)
    await nora.is_online()
    (await plaza[ProfileService].change_profile(person.actor, ProfilePatch(username="nora"))).unwrap()
    await nora.page.wait_for_url("**/account")
    await shows_the_wait(nora)


async def test_people_decide_who_finds_them_and_who_adds_them_to_groups(plaza: Stage, open_window: OpenWindow) -> None:
    grace = await a_person(plaza, "grace@example.com", name="Grace")
    client = plaza.client(grace.pair.access_token)
    nora = await account_of(plaza, open_window)
    find, ask_first = nora.part("privacy-discoverable"), nora.part("privacy-group-invites")
    await expect(find).to_be_checked()
    await expect(ask_first).not_to_be_checked()
    assert (await client.post("/api/v1/auth/users/lookup", json={"email": MAIL})).status_code == 200

    await nora.page.get_by_label("People can find me").uncheck()
    await nora.page.get_by_label("Ask me before I join a group").check()
    await nora.page.get_by_label("Tell people when I was here last").uncheck()
    await nora.part("privacy-submit").click()
    await expect(nora.part("account-notice")).to_have_text("Your privacy settings are saved.")
    assert (await client.post("/api/v1/auth/users/lookup", json={"email": MAIL})).status_code == 404
    await nora.page.reload()
    await expect(ask_first).to_be_checked()
    await expect(find).not_to_be_checked()
    await expect(nora.part("privacy-last-seen")).not_to_be_checked()
    await expect(nora.part("profile-name")).to_have_value("Nora")


async def test_a_key_is_offered_every_scope_that_there_is(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    async with nora.page.expect_response("**/api-keys/scopes") as response:
        await nora.part("key-add").click()
    offered = [each["name"] for each in (await (await response.value).json())["items"]]
    assert {"chat:read", "identity:write"} <= set(offered)
    for name in offered:
        await expect(nora.part(f"field-scopes-{name}")).to_be_visible()

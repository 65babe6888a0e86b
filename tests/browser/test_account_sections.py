"""What the account page shows: what cannot be read is said, and read on demand; what people decide about being found."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect
from sqlalchemy import text

from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.test_account import MAIL, account_of, breaks_no_rule
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


async def test_who_waits_sees_the_own_profile_and_why_not_the_rest(plaza: Stage, open_window: OpenWindow) -> None:
    await a_person(plaza, MAIL, name="Nora")
    waiting = "update identity_user set status = 'waitlisted', waitlisted_until = :until"
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(waiting), {"until": plaza.clock.now().replace(year=2999)})
    nora = await open_window("/account")
    nora.watch.expect("403 ")
    await nora.log_in(MAIL, PASSWORD)
    await expect(nora.part("profile-name")).to_have_value("Nora")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)
    for section in ("factor", "keys"):
        await expect(unread(nora, section)).to_contain_text("waitlist")
    for section in ("profile", "privacy", "contacts", "sessions"):
        await expect(unread(nora, section)).to_have_count(0)


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

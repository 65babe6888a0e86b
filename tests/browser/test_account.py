"""The account page: getting in by every way, and deciding who else may."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from playwright.async_api import Page, expect

from plaza.identity.service import RelyingParty
from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.test_reach import AXE, RULES
from tests.browser.window import Window
from tests.identity.builders import PASSWORD, a_person, codes_to, jobs_done, mails_to
from tests.support.stage import Stage

MAIL = "nora@example.com"


async def account_of(plaza: Stage, open_window: OpenWindow, **options: Any) -> Window:
    """Nora's account page, just logged in to with her password."""
    await a_person(plaza, MAIL, name="Nora")
    window = await open_window("/account", **options)
    await window.log_in(MAIL, PASSWORD)
    await expect(window.part("me-name")).to_have_text("Nora")
    return window


async def virtual_authenticator(page: Page) -> None:
    """A device that holds passkeys and always recognises its owner."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def on_localhost(plaza: Stage) -> str:
    """Passkeys are bound to a name; an address of numbers has none."""
    return f"http://localhost:{plaza.port}"


async def log_out(window: Window) -> None:
    await window.part("logout").click()
    await expect(window.part("auth-notice")).to_have_text("You are logged out.")


async def test_a_newcomer_signs_up_and_comes_back_by_a_mailed_link(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await open_window("/account")
    await nora.part("show-signup").click()
    await nora.part("signup-name").fill("Nora")
    await nora.part("signup-email").fill(MAIL)
    await nora.part("signup-password").fill(PASSWORD)
    await nora.part("signup-submit").click()
    (code,) = await codes_to(plaza, MAIL)
    await nora.part("code-input").press_sequentially(code)
    await expect(nora.part("contact-email")).to_have_text(MAIL)

    await log_out(nora)
    await nora.part("show-magic").click()
    await nora.part("magic-email").fill(MAIL)
    await nora.part("magic-submit").click()
    await expect(nora.part("sent-address")).to_have_text(MAIL)
    await nora.page.goto(await link_to(plaza, MAIL, "login"))
    await nora.is_online()  # the link leads to the front page
    assert "#login" not in nora.page.url


async def link_to(plaza: Stage, address: str, kind: str) -> str:
    """Of the newest mail that holds such a link, as a path."""
    await jobs_done(plaza)
    links = [
        found
        for mail in await mails_to(plaza, address)
        for found in re.findall(rf"https?://[^/\s]+(/\S*#{kind}=[\w.~-]+)", mail["body"])
    ]
    return str(links[-1])


async def test_a_forgotten_password_is_replaced_by_a_mailed_link(plaza: Stage, open_window: OpenWindow) -> None:
    await a_person(plaza, MAIL, name="Nora")
    nora = await open_window("/account")
    await nora.part("show-reset").click()
    await nora.part("reset-email").fill(MAIL)
    await nora.part("reset-submit").click()
    await expect(nora.part("sent-address")).to_have_text(MAIL)
    await nora.page.goto(await link_to(plaza, MAIL, "reset"))
    await nora.part("new-password-input").fill("a quite different evening")
    await nora.part("new-password-submit").click()
    await nora.is_online()
    await nora.page.goto("/account")
    await log_out(nora)
    nora.watch.expect("401 .*/login")
    await nora.log_in(MAIL, PASSWORD)
    await expect(nora.part("login-error")).to_be_visible()
    await nora.log_in(MAIL, "a quite different evening")
    await expect(nora.part("me-name")).to_have_text("Nora")


async def test_a_passkey_is_made_and_opens_the_account_without_a_password(
    plaza: Stage, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plaza[RelyingParty], "origins", [on_localhost(plaza)])  # the port is not the configured one
    nora = await account_of(plaza, open_window, base_url=on_localhost(plaza))
    await virtual_authenticator(nora.page)
    await nora.part("passkey-add").click()
    await nora.part("field-name").fill("Nora's laptop")
    await nora.part("submit").click()
    await expect(nora.part("account-notice")).to_contain_text("log in with your passkey")
    await expect(nora.part("passkeys")).to_contain_text("Nora's laptop")

    await log_out(nora)
    await nora.part("login-passkey").click()
    await expect(nora.part("me-name")).to_have_text("Nora")
    await expect(nora.part("passkeys")).to_contain_text("Last used")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)
    await nora.part("passkey-remove").click()
    await nora.part("field-end_other_sessions").check()
    await nora.part("submit").click()
    await expect(nora.part("account-notice")).to_contain_text("is removed")
    await expect(nora.part("passkeys").get_by_role("listitem")).to_have_count(0)
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(1)


async def test_a_second_factor_is_asked_for_and_a_recovery_code_stands_in(
    plaza: Stage, open_window: OpenWindow
) -> None:
    nora = await account_of(plaza, open_window)
    nora.watch.expect("401 .*/login")
    nora.watch.expect("401 .*/mfa/verify")
    nora.watch.expect("422 .*/mfa/verify")
    await nora.part("totp-toggle").click()
    app = pyotp.TOTP(await nora.part("totp-secret").inner_text())
    await nora.part("field-code").fill(app.at(plaza.clock.now()))
    await nora.part("submit").click()
    await expect(nora.part("recovery-codes")).to_be_visible()
    codes = await nora.part("recovery-codes").get_by_role("listitem").all_inner_texts()
    await nora.part("submit").click()
    await expect(nora.part("totp-state")).to_contain_text("On")

    await log_out(nora)
    plaza.clock.advance(timedelta(seconds=30))
    await nora.log_in(MAIL, PASSWORD)
    await expect(nora.part("mfa-input")).to_be_visible()
    await nora.part("mfa-input").press_sequentially(app.at(plaza.clock.now()))
    await expect(nora.part("me-name")).to_have_text("Nora")

    await log_out(nora)
    await nora.log_in(MAIL, PASSWORD)
    await expect(nora.part("mfa-other")).to_be_visible()
    await nora.part("mfa-other").click()
    await nora.part("mfa-input").fill(codes[0])
    await nora.part("mfa-submit").click()
    await expect(nora.part("recovery-state")).to_contain_text(f"{len(codes) - 1} left")


async def test_what_guards_the_account_wants_a_recent_login(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    nora.watch.expect("403 .*/password/change")
    plaza.clock.advance(timedelta(minutes=11))
    await nora.part("password-change").click()
    ask = nora.part("ask")
    await ask.get_by_test_id("field-old").fill(PASSWORD)
    await ask.get_by_test_id("field-new").fill("a quite different evening")
    await ask.get_by_test_id("submit").click()
    confirm = nora.part("confirm")
    await confirm.get_by_test_id("field-password").fill(PASSWORD)
    await confirm.get_by_test_id("submit").click()
    await expect(nora.part("account-notice")).to_have_text("Your password is changed.")
    assert len(await mails_to(plaza, MAIL)) >= 1


async def test_another_session_is_seen_and_ended(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    other = await open_window("/account")
    await other.log_in(MAIL, PASSWORD)
    await expect(other.part("me-name")).to_have_text("Nora")
    await nora.page.reload()
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(
        3
    )  # one more by the test's own login
    other.watch.expect("401 .*")
    for remaining in (2, 1):
        await nora.part("session-end").first.click()
        await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(remaining)
    await expect(other.part("auth-notice")).to_contain_text("session ended")


async def test_a_new_address_counts_once_its_code_is_entered(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    await nora.part("email-change").click()
    await nora.part("field-email").fill("nora.new@example.com")
    await nora.part("submit").click()
    (code,) = await codes_to(plaza, "nora.new@example.com")
    await expect(nora.part("contact-email")).to_have_text(MAIL)
    await nora.part("field-code").fill(code)
    await nora.part("submit").click()
    await expect(nora.part("contact-email")).to_have_text("nora.new@example.com")


async def test_a_key_is_shown_once_and_revoked(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    await nora.part("key-add").click()
    await nora.part("field-name").fill("Calendar")
    await nora.part("field-scopes-chat:read").check()
    await nora.part("submit").click()
    key = await nora.part("key-secret").inner_text()
    assert (await plaza.client(key).get("/api/v1/chat/conversations")).status_code == 200
    await nora.part("submit").click()
    await nora.part("key-revoke").click()
    await expect(nora.part("keys-list").get_by_role("listitem")).to_have_count(0)
    assert (await plaza.client(key).get("/api/v1/chat/conversations")).status_code == 401


async def test_an_export_is_made_and_the_account_deleted(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    await nora.part("export-start").click()
    await expect(nora.part("export-link")).to_be_visible()
    link = await nora.part("export-link").get_attribute("href")
    assert link is not None
    made = await plaza.client().get(link[link.index("/", 8) :])  # the port is not the configured one
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        assert MAIL in "".join(archive.read(each).decode() for each in archive.namelist())

    await nora.part("delete").click()
    await nora.part("field-word").fill("DELETE")
    await nora.part("submit").click()
    await expect(nora.part("login-email")).to_be_visible()
    await jobs_done(plaza)
    nora.watch.expect("401 .*/login")
    await nora.log_in(MAIL, PASSWORD)
    await expect(nora.part("login-error")).to_be_visible()


async def test_passwords_are_masked_and_may_be_pasted(plaza: Stage, open_window: OpenWindow) -> None:
    await a_person(plaza, MAIL, name="Nora")
    nora = await open_window("/account", permissions=["clipboard-read", "clipboard-write"])
    for screen, field, purpose in (
        ("signup", "signup-password", "new-password"),
        ("login", "login-password", "current-password"),
    ):
        await nora.part(f"show-{screen}").click()
        await expect(nora.part(field)).to_have_attribute("type", "password")
        await expect(nora.part(field)).to_have_attribute("autocomplete", purpose)
    await nora.part("login-email").fill(PASSWORD)
    await nora.part("login-email").press("Control+A")
    await nora.part("login-email").press("Control+C")
    await nora.part("login-password").press("Control+V")
    await nora.part("login-email").fill(MAIL)
    await nora.part("login-submit").click()
    await expect(nora.part("contact-email")).to_have_text(MAIL)


async def test_every_page_has_its_logout(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    await expect(nora.part("logout")).to_be_visible()
    await nora.page.goto("/")
    await nora.is_online()
    await nora.log_out()
    await nora.is_logged_out("You are logged out.")


@pytest.mark.parametrize(("view", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
async def test_no_screen_breaks_a_rule_of_accessibility(
    plaza: Stage, open_window: OpenWindow, view: dict[str, Any], scheme: str
) -> None:
    nora = await account_of(plaza, open_window, **view, color_scheme=scheme)
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)
    await breaks_no_rule(nora)
    assert await nora.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for button in ("totp-toggle", "key-add", "delete"):
        await nora.part(button).click()
        await expect(nora.part("ask")).to_be_visible()
        await breaks_no_rule(nora)
        await nora.part("close").click()
        await expect(nora.part("ask")).to_have_count(0)
    await log_out(nora)
    for screen in ("magic", "phone", "reset"):
        await nora.part(f"show-{screen}").click()
        await expect(nora.part(screen)).to_be_visible()
        await breaks_no_rule(nora)
        await nora.part(screen).get_by_role("button", name="Back").click()


async def breaks_no_rule(window: Window) -> None:
    found = (await AXE.run(window.page, options=RULES)).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []

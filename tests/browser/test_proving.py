"""What guards an account wants a recent login: every way in is a way to prove once more who one is."""

from __future__ import annotations

from datetime import timedelta

import pyotp
from playwright.async_api import Locator, expect

from tests.browser.conftest import OpenWindow
from tests.browser.test_account import MAIL, account_of, breaks_no_rule, link_to
from tests.browser.window import Window
from tests.identity.builders import PASSWORD, by_phone, codes_to, logged_in, register, verify
from tests.support.stage import Stage

PHONE = "+4915123456789"
NEW = "a quite different evening"


async def change_password(window: Window) -> Locator:
    """Asks for it a while after the login; gives the dialog that wants to know who it is."""
    await window.part("password-change").click()
    await window.part("field-new").fill(NEW)
    await window.part("submit").click()
    await expect(window.part("confirm")).to_be_visible()
    return window.part("confirm")


async def is_changed(window: Window, *, sessions: int) -> None:
    await expect(window.part("account-notice")).to_have_text("Your password is changed.")
    await expect(window.part("sessions-list").get_by_role("listitem")).to_have_count(sessions)
    await expect(window.part("sessions-list")).to_contain_text("this one")


async def test_who_lost_the_app_turns_it_off_by_a_recovery_code(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    await logged_in(plaza, MAIL)
    nora.watch.expect("403 .*/mfa/totp")
    nora.watch.expect("401 .*/login")
    nora.watch.expect("422 .*/mfa/verify")
    await nora.part("totp-toggle").click()
    app = pyotp.TOTP(await nora.part("totp-secret").inner_text())
    await nora.part("field-code").fill(app.at(plaza.clock.now()))
    await nora.part("submit").click()
    codes = nora.part("recovery-codes").get_by_role("listitem")
    await expect(codes).to_have_count(10)
    code = await codes.first.inner_text()
    await nora.part("submit").click()

    plaza.clock.advance(timedelta(minutes=11))
    await nora.part("totp-toggle").click()
    off = nora.part("ask")
    await off.get_by_test_id("field-end_other_sessions").check()
    await off.get_by_test_id("submit").click()
    await nora.part("confirm").get_by_test_id("field-password").fill(PASSWORD)
    await nora.part("confirm").get_by_test_id("submit").click()
    await expect(nora.part("confirm-code").get_by_test_id("field-code")).to_be_focused()
    await nora.part("confirm-other-factor").click()
    await expect(nora.part("field-recovery_code")).to_be_focused()
    await breaks_no_rule(nora)
    await nora.part("confirm-code").get_by_test_id("submit").click()
    await expect(nora.part("confirm-code").get_by_test_id("problem")).to_be_visible()
    await nora.part("field-recovery_code").fill(code)
    await nora.part("confirm-code").get_by_test_id("submit").click()
    await expect(nora.part("account-notice")).to_have_text("Your second factor is off.")
    await expect(nora.part("totp-state")).to_contain_text("Off")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(1)


async def test_who_has_no_password_opens_a_mailed_link_and_the_window_goes_on(
    plaza: Stage, open_window: OpenWindow
) -> None:
    await register(plaza, MAIL, None, "Nora")
    (code,) = await codes_to(plaza, MAIL)
    (await verify(plaza, MAIL, code)).unwrap()
    nora = await open_window("/account")
    nora.watch.expect("403 .*/password/change")
    nora.watch.expect("401 ")  # what the session before was asked, until the window has the newer one
    await nora.part("show-magic").click()
    await nora.part("magic-email").fill(MAIL)
    await nora.part("magic-submit").click()
    await expect(nora.part("sent-address")).to_have_text(MAIL)
    await nora.page.goto(await link_to(plaza, MAIL, "login"))
    await nora.is_online()
    await nora.page.goto("/account")
    await expect(nora.part("sessions-list").get_by_role("listitem")).to_have_count(2)

    plaza.clock.advance(timedelta(minutes=11))
    confirm = await change_password(nora)
    await expect(confirm.get_by_role("textbox")).to_have_count(0)
    await breaks_no_rule(nora)
    await confirm.get_by_test_id("confirm-mail").click()
    mailed = nora.part("confirm-mailed")
    await mailed.get_by_test_id("submit").click()
    await expect(mailed.get_by_test_id("problem")).to_have_text("The link has not been used in this browser yet.")
    other = await nora.page.context.new_page()
    await other.goto(await link_to(plaza, MAIL, "login"))
    await expect(other.get_by_test_id("connection")).to_have_attribute("data-state", "online")
    await is_changed(nora, sessions=1)


async def test_who_came_by_phone_proves_it_by_another_code(plaza: Stage, open_window: OpenWindow) -> None:
    await by_phone(plaza, PHONE)
    nora = await open_window("/account")
    nora.watch.expect("403 .*/password/change")
    await nora.part("show-phone").click()
    await nora.part("phone-number").fill(PHONE)
    await nora.part("phone-submit").click()
    await nora.part("code-input").press_sequentially((await codes_to(plaza, PHONE, at_least=2))[-1])
    await expect(nora.part("contact-phone")).to_have_text(PHONE)

    plaza.clock.advance(timedelta(minutes=11))
    confirm = await change_password(nora)
    await confirm.get_by_test_id("confirm-text").click()
    await expect(nora.part("confirm-texted")).to_contain_text(PHONE)
    code = (await codes_to(plaza, PHONE, at_least=3))[-1]
    await nora.part("confirm-texted").get_by_test_id("field-code").fill(code)
    await nora.part("confirm-texted").get_by_test_id("submit").click()
    await is_changed(nora, sessions=1)


async def test_the_other_windows_of_the_browser_go_on_with_the_newer_session(
    plaza: Stage, open_window: OpenWindow
) -> None:
    nora = await account_of(plaza, open_window)
    nora.watch.expect("40[13] .*/password/change")
    front = await nora.page.context.new_page()
    await front.goto("/")
    await expect(front.get_by_test_id("connection")).to_have_attribute("data-state", "online")
    plaza.clock.advance(timedelta(minutes=11))
    confirm = await change_password(nora)
    await confirm.get_by_test_id("field-password").fill(PASSWORD)
    async with front.expect_response("**/ws-ticket"):  # its socket ended with the session
        await confirm.get_by_test_id("submit").click()
    await nora.part("ask").get_by_test_id("field-old").fill(PASSWORD)
    await nora.part("ask").get_by_test_id("submit").click()
    await is_changed(nora, sessions=1)
    await expect(front.get_by_test_id("connection")).to_have_attribute("data-state", "online")
    await expect(front.get_by_test_id("login-email")).to_be_hidden()


async def test_who_does_not_prove_it_changes_nothing(plaza: Stage, open_window: OpenWindow) -> None:
    nora = await account_of(plaza, open_window)
    nora.watch.expect("403 .*/password/change")
    plaza.clock.advance(timedelta(minutes=11))
    confirm = await change_password(nora)
    await confirm.get_by_test_id("close").click()
    await expect(nora.part("ask").get_by_test_id("problem")).to_contain_text("Nothing was changed")

"""Signing up, logging in, staying logged in, and leaving."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import Locator, Page, expect

from plaza.app.demo import DEMO_PASSWORD
from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.support.outside import PASSWORD
from tests.support.stage import Stage
from tests.support.waiting import eventually

ADA = "ada@demo.example"


async def test_a_demo_person_steps_in_and_sees_conversations(ada: Window) -> None:
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")
    await expect(ada.part("conversation-name")).to_have_text(["Plaza tour", "Grace Hopper"])
    await ada.open("Plaza tour")
    await expect(ada.part("system-message")).to_have_text("You created the group")
    await expect(ada.part("message")).to_have_count(4)
    await expect(ada.part("thread-members")).to_contain_text("Maryam Mirzakhani")


async def test_a_newcomer_signs_up_with_the_mailed_code(open_window: OpenWindow) -> None:
    nora = await open_window()
    nora.watch.expect("422 .*/registration")
    nora.watch.expect("422 .*/verify-email")
    await nora.part("show-signup").click()
    await nora.part("signup-submit").click()
    await expect(nora.part("signup-error")).to_have_text("Please look at the marked fields.")
    assert await nora.focused() == "signup-name"

    await nora.part("signup-name").fill("Nora")
    await nora.part("signup-email").fill("nora@example.com")
    await nora.part("signup-password").fill("password1")
    await nora.part("signup-submit").click()
    await expect(nora.part("signup-error")).to_contain_text("everybody tries first")
    await nora.part("signup-password").fill(PASSWORD)
    await nora.part("signup-submit").click()
    await expect(nora.part("code-email")).to_have_text("nora@example.com")

    async with nora.page.context.expect_page() as opened:
        await nora.part("outbox-link").click()
    outbox = await opened.value
    body = outbox.get_by_test_id("outbox-item").filter(has_text="nora@example.com").get_by_test_id("outbox-body")
    await comes(outbox, body)
    (code,) = re.findall(r"\b\d{6}\b", await body.inner_text())

    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    await nora.part("code-input").press_sequentially(wrong)
    await expect(nora.part("code-error")).to_contain_text("wrong")
    await nora.part("code-input").press_sequentially(code)
    await nora.is_online()
    await expect(nora.part("me-name")).to_have_text("Nora")
    await expect(nora.part("list-empty")).to_be_visible()


async def comes(outbox: Page, body: Locator) -> None:
    """The worker is on its way."""

    async def is_there() -> bool:
        await outbox.get_by_test_id("outbox-refresh").click()
        return await body.count() > 0

    await eventually(is_there)


async def test_the_mailed_link_does_the_same(plaza: Stage, open_window: OpenWindow) -> None:
    registration = {"email": "nora@example.com", "password": PASSWORD, "display_name": "Nora"}
    await plaza.client().post("/api/v1/auth/registration", json=registration)
    outbox = await open_window("/dev/outbox")
    body = outbox.part("outbox-body")
    await comes(outbox.page, body)
    (link,) = re.findall(r"/#verify=\w+", await body.inner_text())

    nora = await open_window(link)
    await nora.is_online()
    await expect(nora.part("me-name")).to_have_text("Nora")
    assert "verify" not in nora.page.url

    again = await open_window(link)
    again.watch.expect("410 .*/verify-email")
    await again.is_logged_out("This code or link was used before.")


async def test_a_wrong_password_shows_the_problem(demo: None, open_window: OpenWindow) -> None:
    window = await open_window()
    window.watch.expect("401 .*/login")
    await window.log_in(ADA, "not the password")
    await expect(window.part("login-error")).to_have_text("No account has this name and this password.")
    await window.log_in(ADA, DEMO_PASSWORD)
    await window.is_online()


async def test_a_reload_keeps_the_person_and_the_conversation_until_logging_out(ada: Window) -> None:
    await ada.open("Grace Hopper")
    await ada.page.reload()
    await ada.is_online()
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")
    await expect(ada.part("thread-title")).to_have_text("Grace Hopper")
    (cookie,) = await ada.page.context.cookies(f"{ada.page.url.split('#')[0]}api/v1/auth")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"

    await ada.log_out()
    await ada.is_logged_out("You are logged out.")
    await ada.page.reload()
    await ada.is_logged_out()


async def test_a_session_that_ends_elsewhere_ends_here(plaza: Stage, ada: Window) -> None:
    elsewhere = plaza.client()
    answer = await elsewhere.post("/api/v1/auth/login", json={"identifier": ADA, "password": DEMO_PASSWORD})
    elsewhere.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    assert (await elsewhere.post("/api/v1/auth/logout-all")).status_code == 204
    await ada.is_logged_out("Your session ended. Please log in again.")


async def test_an_access_token_that_ran_out_is_renewed_unseen(plaza: Stage, ada: Window) -> None:
    ada.watch.expect("401 .*/api/v1/chat/")
    plaza.clock.advance(timedelta(hours=1))
    async with ada.page.expect_response(re.compile("/token/refresh")) as renewed:
        await ada.open("Plaza tour")
    assert (await renewed.value).ok
    await expect(ada.part("message")).to_have_count(4)


async def test_a_second_window_of_the_same_browser_is_somebody_else(ada: Window) -> None:
    await ada.part("menu-button").click()
    async with ada.page.context.expect_page() as opened:
        await ada.part("second-window").click()
    grace = Window(await opened.value, ada.watch)
    await grace.step_in_as("Grace Hopper")
    await ada.page.reload()
    await expect(ada.part("me-name")).to_have_text("Ada Lovelace")
    await grace.log_out()
    await grace.is_logged_out("You are logged out.")
    await ada.page.reload()
    await ada.is_online()


async def test_a_window_never_becomes_the_person_who_logs_in_beside_it(plaza: Stage, ada: Window) -> None:
    ada.watch.expect("401 .*/api/v1/chat/")
    login = {"identifier": "grace@demo.example", "password": DEMO_PASSWORD}
    await ada.page.context.request.post("/api/v1/auth/login?cookie=true", data=login)
    plaza.clock.advance(timedelta(hours=1))
    await ada.conversation("Plaza tour").click()
    await ada.is_logged_out("Somebody else logged in in another window of this browser.")

"""The page on a phone, without a mouse, in the dark, and for assistive technology."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from plaza.app.demo import DEMO_PASSWORD
from tests.browser.conftest import DESKTOP, PHONE, OpenWindow
from tests.browser.window import Window

AXE = Axe()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def press_until(window: Window, key: str, focused: str) -> None:
    """Raises AssertionError where no number of presses gets there."""
    for _ in range(60):
        await window.page.keyboard.press(key)
        if await window.focused() == focused:
            return
    raise AssertionError(f"{key} does not lead to {focused}")


async def test_a_phone_shows_the_list_or_the_conversation(demo: None, open_window: OpenWindow) -> None:
    ada = await open_window(**PHONE)
    await ada.step_in_as("Ada Lovelace")
    sidebar, thread = ada.page.locator("#sidebar"), ada.page.locator("#thread")
    await expect(sidebar).to_be_visible()
    await expect(thread).to_be_hidden()

    await ada.open("Grace Hopper")
    await expect(sidebar).to_be_hidden()
    await expect(thread).to_be_visible()
    await ada.part("composer").fill("by thumb")
    await ada.part("composer").press("Enter")  # a new line: touch keyboards have no Shift+Enter
    await ada.part("composer").press_sequentially("in two lines")
    await ada.part("send").tap()
    await ada.is_sent("by thumb\nin two lines")

    await ada.part("back").tap()
    await expect(sidebar).to_be_visible()
    await expect(ada.conversation("Grace Hopper")).to_be_focused()
    await ada.page.go_back()
    await expect(ada.part("thread-title")).to_be_visible()
    fits = "() => document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight"
    assert await ada.page.evaluate(fits)


async def test_everything_can_be_done_by_keyboard(demo: None, open_window: OpenWindow) -> None:
    ada = await open_window()
    await expect(ada.part("demo-person").first).to_be_visible()
    keyboard = ada.page.keyboard
    await press_until(ada, "Tab", "login-identifier")
    await keyboard.type("ada@demo.example")
    await press_until(ada, "Tab", "login-password")
    await keyboard.type(DEMO_PASSWORD)
    await keyboard.press("Enter")
    await ada.is_online()
    await expect(ada.conversation("Grace Hopper")).to_be_visible()

    await press_until(ada, "Tab", "conversation")
    await keyboard.press("Enter")
    await expect(ada.part("composer")).to_be_focused()
    await keyboard.type("one line")
    await keyboard.press("Shift+Enter")
    await keyboard.type("and another")
    await keyboard.press("Enter")
    await ada.is_sent("one line\nand another")
    await expect(ada.part("composer")).to_be_focused()

    await press_until(ada, "Shift+Tab", "menu-button")
    await keyboard.press("Enter")
    await expect(ada.part("menu")).to_be_visible()
    await keyboard.press("Escape")
    await expect(ada.part("menu")).to_be_hidden()
    await expect(ada.part("menu-button")).to_be_focused()

    await press_until(ada, "Tab", "new-button")
    await keyboard.press("Enter")
    await expect(ada.part("lookup-input")).to_be_focused()
    await keyboard.press("Escape")
    await expect(ada.part("new-dialog")).to_be_hidden()

    await press_until(ada, "Shift+Tab", "skip")
    await keyboard.press("Enter")
    assert await ada.focused() == "thread"


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
async def test_the_scheme_of_the_system_is_followed(open_window: OpenWindow, scheme: str, is_dark: bool) -> None:
    window = await open_window(color_scheme=scheme)
    ground = await window.page.evaluate(
        "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (sum(ground) < 3 * 128) is is_dark


@pytest.mark.parametrize(("screen", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
async def test_no_screen_breaks_a_rule_of_accessibility(
    demo: None, open_window: OpenWindow, screen: dict[str, object], scheme: str
) -> None:
    window = await open_window(**screen, color_scheme=scheme)
    window.watch.expect("net::ERR_")
    broken: dict[str, str] = {}

    async def check(name: str) -> None:
        results = await AXE.run(window.page, options=RULES)
        assert results.response["passes"], "nothing was checked"
        if results.violations_count:
            broken[name] = results.generate_report()

    await expect(window.part("demo-person").first).to_be_visible()
    await check("log in")
    await window.part("show-signup").click()
    await window.part("signup-submit").click()
    await check("sign up, with complaints")
    await window.part("signup-name").fill("Nora")
    await window.part("signup-email").fill("nora@example.com")
    await window.part("signup-password").fill("a sentence of one's own")
    await window.part("signup-submit").click()
    await expect(window.part("code-input")).to_be_visible()
    await check("mailed code")
    await window.part("code-back").click()
    await window.step_in_as("Ada Lovelace")
    await expect(window.unread("Plaza tour")).to_be_visible()
    await check("list")
    await window.part("menu-button").click()
    await check("menu")
    await window.page.keyboard.press("Escape")
    await window.part("new-conversation").click()
    await window.part("suggestion").first.click()
    await expect(window.part("chosen-person")).to_be_visible()
    await check("new conversation")
    await window.page.keyboard.press("Escape")
    await window.open("Plaza tour")
    await expect(window.part("message").first).to_be_visible()
    await window.say("mine")
    await window.is_sent("mine")
    await check("group")
    await window.page.context.set_offline(True)
    await window.say("later")
    await expect(window.part("connection-banner")).to_be_visible()
    await check("reconnecting")
    await window.page.context.set_offline(False)
    await window.is_online()
    await window.page.goto("/dev/outbox")
    await check("outbox")
    await window.page.goto("/docs/errors")
    await check("error codes")
    assert not broken, "\n".join(f"== {name}\n{report}" for name, report in broken.items())


@pytest.mark.parametrize(("screen", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")], ids=["desktop", "phone"])
async def test_nothing_around_a_conversation_breaks_a_rule_of_accessibility(
    demo: None, open_window: OpenWindow, screen: dict[str, object], scheme: str
) -> None:
    window = await open_window(**screen, color_scheme=scheme)
    broken: dict[str, str] = {}

    async def check(name: str, part: str = "html") -> None:
        results = await AXE.run(window.page, context=part, options=RULES)
        assert results.response["passes"], "nothing was checked"
        if results.violations_count:
            broken[name] = results.generate_report()

    await window.step_in_as("Ada Lovelace")
    await window.open("Plaza tour")
    await window.say("mine")
    await window.is_sent("mine")
    clip = window.part("composer-attach")
    await expect(clip).to_have_attribute("aria-disabled", "true")
    await clip.click(force=True)
    await expect(window.part("toast")).to_contain_text("Files cannot be attached yet")
    message = window.message("mine")
    await message.focus()
    await window.page.keyboard.press("Tab")
    await window.page.keyboard.press("Enter")
    await expect(window.part("emoji-picker")).to_be_visible()
    await check("emoji", "#emoji-picker")
    await window.part("emoji").nth(1).click()
    await expect(message.get_by_test_id("reaction")).to_be_visible()
    await message.focus()
    await message.get_by_test_id("more").click()
    await check("menu of a message", "#context-menu")
    await window.part("action-edit").click()
    await check("editing", "#messages")
    await window.part("editor-text").fill("mine, @Grace Hopper")
    await window.part("editor-save").click()
    message = window.message("mine, @Grace Hopper")
    await message.get_by_test_id("edited").click()
    await expect(window.part("message-history")).to_be_visible()
    await check("earlier wordings", "dialog[open]")
    await window.page.keyboard.press("Escape")
    await window.part("composer").press_sequentially("@")
    await expect(window.part("mention-option")).to_have_count(5)
    await check("mentions", "#composer")
    await window.part("composer").fill("")
    await message.focus()
    await message.get_by_test_id("action-thread").click()
    await window.part("reply").fill("a reply")
    await window.part("reply-send").click()
    await expect(window.part("thread-replies").get_by_test_id("message")).to_have_attribute("data-state", "sent")
    await check("thread")
    await window.part("panel-close").click()
    await window.part("show-people").click()
    await window.part("link-make").click()
    await expect(window.part("invite-link")).to_be_visible()
    await check("people", "#panel")
    await window.part("person-more").last.click()
    await check("menu of a person", "#context-menu")
    await window.page.keyboard.press("Escape")
    await window.part("panel-close").click()
    await window.part("conversation-menu").click()
    await window.part("menu-search").click()
    await window.part("search").fill("mine")
    await expect(window.part("result").first).to_be_visible()
    await check("search")
    fits = "() => document.documentElement.scrollWidth <= innerWidth"
    assert await window.page.evaluate(fits)
    assert not broken, "\n".join(f"== {name}\n{report}" for name, report in broken.items())


async def test_messages_are_walked_through_and_acted_on_by_keyboard(demo: None, open_window: OpenWindow) -> None:
    ada = await open_window()
    await ada.step_in_as("Ada Lovelace")
    await ada.open("Plaza tour")
    await expect(ada.part("composer")).to_be_focused()
    await press_until(ada, "Shift+Tab", "more")
    await expect(ada.part("message").last.get_by_test_id("message-actions")).to_have_css("opacity", "1")
    keyboard = ada.page.keyboard
    await keyboard.press("Enter")
    await expect(ada.part("action-pin")).to_be_focused()
    await keyboard.press("ArrowDown")
    await expect(ada.part("action-save")).to_be_focused()
    await keyboard.press("Escape")
    await expect(ada.part("message").last.get_by_test_id("more")).to_be_focused()
    await press_until(ada, "Shift+Tab", "message")
    await keyboard.press("ArrowUp")
    await expect(ada.part("message").nth(-2)).to_be_focused()
    await keyboard.press("Home")
    await expect(ada.part("message").first).to_be_focused()
    await keyboard.press("Tab")
    await expect(ada.part("message").first.get_by_test_id("react")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(ada.part("reply")).to_be_focused()
    await keyboard.type("by keyboard")
    await keyboard.press("Enter")
    await expect(ada.part("thread-replies").get_by_test_id("message-text")).to_have_text(["by keyboard"])
    await keyboard.press("Escape")
    await expect(ada.part("panel")).to_be_hidden()
    await keyboard.press("Control+k")
    await keyboard.type("welcome")
    await expect(ada.part("result")).to_be_visible()
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(ada.part("message").first).to_be_focused()

"""Threads: replies beside the conversation, and in it."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.conftest import PHONE, OpenWindow
from tests.browser.window import Window

ROOT = "Welcome! Open a second window, log in as somebody else, and write: it arrives at once."


async def test_replies_are_live_in_the_panel_counted_at_their_root_and_quoted_in_the_conversation(
    ada: Window, grace: Window
) -> None:
    await ada.open("Plaza tour")
    await grace.open("Plaza tour")
    await ada.act(ROOT, "action-thread")
    await expect(ada.part("thread-root").get_by_test_id("message-text")).to_have_text(ROOT)
    await expect(ada.part("reply")).to_be_focused()
    await ada.part("reply").fill("It does")
    await ada.page.keyboard.press("Enter")

    replies = ada.part("thread-replies").get_by_test_id("message-text")
    await expect(replies).to_have_text(["It does"])
    await expect(grace.message("It does").get_by_test_id("message-quote")).to_contain_text(f"Ada Lovelace: {ROOT[:40]}")
    await expect(grace.message(ROOT).get_by_test_id("replies")).to_have_text("1 reply")

    await grace.message(ROOT).get_by_test_id("replies").click()
    await grace.part("reply").fill("At once")
    await grace.part("reply-send").click()
    await expect(replies).to_have_text(["It does", "At once"])
    await expect(ada.part("messages").locator(ada.message(ROOT)).get_by_test_id("replies")).to_have_text("2 replies")

    await grace.act("At once", "action-delete", within="thread-replies")
    await grace.part("submit").click()
    await expect(replies).to_have_text(["It does", "This message was deleted"])
    await expect(ada.part("messages").locator(ada.message(ROOT)).get_by_test_id("replies")).to_have_text("1 reply")

    await ada.page.reload()
    await expect(replies).to_have_text(["It does", "This message was deleted"])  # the address names the thread
    await ada.part("reply").press("Escape")
    await expect(ada.part("panel")).to_be_hidden()
    await expect(ada.part("composer")).to_be_focused()


async def test_half_a_reply_waits_at_its_message_over_a_reload_until_it_is_sent(ada: Window) -> None:
    await ada.open("Plaza tour")
    await ada.act(ROOT, "action-thread")
    reply = ada.part("reply")
    await reply.press_sequentially("@Gra")
    await reply.press("Enter")
    await reply.press_sequentially("what if")
    await expect(reply).to_have_value("@Grace Hopper what if")
    await reply.press("Escape")
    await expect(ada.part("panel")).to_be_hidden()
    await expect(ada.part("composer")).to_have_value("")
    await ada.act(ROOT, "action-thread")
    await expect(reply).to_have_value("@Grace Hopper what if")

    await ada.page.reload()
    await expect(reply).to_have_value("@Grace Hopper what if")
    await ada.part("reply-send").click()
    await expect(ada.part("thread-replies").get_by_test_id("message-text")).to_have_text(["@Grace Hopper what if"])
    await expect(reply).to_have_value("")
    await ada.page.reload()
    await expect(ada.part("thread-replies").get_by_test_id("message-text")).to_have_count(1)
    await expect(reply).to_have_value("")

    await reply.fill("unsaid")
    await ada.log_out()
    await ada.is_logged_out("You are logged out.")
    assert "unsaid" not in await ada.page.evaluate("() => JSON.stringify(sessionStorage)")


async def test_a_thread_takes_the_whole_of_a_phone_and_back_leads_out_of_it(
    demo: None, open_window: OpenWindow
) -> None:
    ada = await open_window(**PHONE)
    await ada.step_in_as("Ada Lovelace")
    await ada.open("Plaza tour")
    message = ada.message("Kill a server while you are at it: `plaza up` brings it back.")
    await expect(message.get_by_test_id("message-actions")).to_have_css("opacity", "0")
    await message.get_by_test_id("message-text").tap()
    await expect(message.get_by_test_id("message-actions")).to_have_css("opacity", "1")
    await message.get_by_test_id("action-thread").tap()
    await expect(ada.part("panel")).to_be_visible()
    await expect(ada.part("composer")).to_be_hidden()
    await ada.part("reply").fill("Gladly")
    await ada.part("reply-send").tap()
    await expect(ada.part("thread-replies").get_by_test_id("message")).to_have_attribute("data-state", "sent")
    await ada.page.go_back()
    await expect(ada.part("panel")).to_be_hidden()
    await expect(ada.message("Gladly")).to_be_visible()

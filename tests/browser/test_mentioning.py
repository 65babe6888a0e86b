"""People who are named, and what must wait before it is sent."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.window import Window


async def test_a_name_is_completed_shown_as_a_name_and_noticed_by_whom_it_names(ada: Window, grace: Window) -> None:
    await grace.open("Ada Lovelace")
    await ada.open("Plaza tour")
    await ada.part("composer").press_sequentially("Ask @ho")
    await expect(ada.part("mention-option")).to_have_text(["Grace Hopper"])
    await ada.page.keyboard.press("Tab")
    await expect(ada.part("composer")).to_have_value("Ask @Grace Hopper ")
    await ada.page.keyboard.type("<b>now</b>")
    await ada.page.keyboard.press("Enter")
    await ada.is_sent("Ask @Grace Hopper <b>now</b>")

    row = grace.conversation("Plaza tour")
    await expect(row.get_by_test_id("conversation-mentions")).to_be_visible()
    await expect(grace.conversation("Ada Lovelace").get_by_test_id("conversation-mentions")).to_be_hidden()
    await expect(row.get_by_test_id("conversation-preview")).to_have_text("Ada Lovelace: Ask @Grace Hopper <b>now</b>")
    await grace.open("Plaza tour")
    await expect(row.get_by_test_id("conversation-mentions")).to_be_hidden()
    mention = grace.part("mention")
    await expect(mention).to_have_text("@Grace Hopper")
    await expect(mention).to_have_class("mention of-me")
    await expect(ada.part("mention")).to_have_class("mention")

    await ada.act("Ask @Grace Hopper <b>now</b>", "action-edit")
    await expect(ada.part("editor-text")).to_have_value("Ask @Grace Hopper <b>now</b>")
    await ada.part("editor-text").fill("Tell @Grace Hopper")
    await ada.page.keyboard.press("Enter")
    await expect(mention).to_have_text("@Grace Hopper")
    await expect(grace.message("Tell @Grace Hopper")).to_be_visible()


async def test_slow_mode_counts_down_and_sends_by_itself(ada: Window, grace: Window) -> None:
    await ada.open("Plaza tour")
    await ada.part("show-people").click()
    await ada.part("group-pause").select_option("3600")
    async with ada.page.expect_response(lambda answer: answer.request.method == "PATCH") as saved:
        await ada.part("group-save").click()
    assert (await saved.value).ok
    await grace.open("Plaza tour")
    await grace.say("first")
    await grace.is_sent("first")
    await grace.say("second")
    waiting = grace.message("second")
    await expect(waiting.get_by_test_id("message-state")).to_contain_text("Slow mode is on. Goes out in 3")
    await expect(waiting).to_have_attribute("data-state", "pending")
    await grace.page.reload()
    await expect(waiting.get_by_test_id("message-state")).to_contain_text("Slow mode is on. Goes out in 3")

"""Messages that are changed and taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect
from sqlalchemy import text

from tests.browser.window import Window
from tests.support.stage import Stage


async def test_an_edit_is_seen_by_the_other_and_its_earlier_wordings_can_be_read(ada: Window, grace: Window) -> None:
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    await ada.say("Noon at the fountian")
    await ada.is_sent("Noon at the fountian")

    await ada.act("Noon at the fountian", "action-edit")
    await ada.part("editor-text").fill("never mind")
    await ada.page.keyboard.press("Escape")
    await expect(ada.part("editor")).to_have_count(0)
    await expect(ada.message("Noon at the fountian")).to_be_visible()

    await ada.part("composer").press("ArrowUp")  # the own last one, as elsewhere
    await expect(ada.part("editor-text")).to_have_value("Noon at the fountian")
    await ada.part("editor-text").fill("Noon at the fountain")
    await ada.page.keyboard.press("Enter")
    await expect(grace.message("Noon at the fountain")).to_be_visible()
    await expect(ada.part("composer")).to_be_focused()
    await grace.message("Noon at the fountain").get_by_test_id("edited").click()
    await expect(grace.part("message-history").locator("li p")).to_have_text(
        ["Noon at the fountian", "Noon at the fountain"]
    )


async def test_an_edit_that_comes_too_late_is_refused_in_words_and_the_text_stays(plaza: Stage, ada: Window) -> None:
    ada.watch.expect("409 .*/messages/")
    ada.watch.expect("401 ")  # the token has aged with the clock
    await ada.open("Grace Hopper")
    await ada.say("said")
    await ada.is_sent("said")
    await ada.act("said", "action-edit")
    await ada.part("editor-text").fill("unsaid")
    plaza.clock.advance(timedelta(minutes=16))
    await ada.part("editor-save").click()
    await expect(ada.part("editor-problem")).to_have_text("A message can be edited only for a while after it was sent.")
    await expect(ada.part("editor-text")).to_have_value("unsaid")


@pytest.mark.parametrize("change", ["created_at = created_at - interval '16 minutes'", "edit_count = 10"])
async def test_what_cannot_be_edited_any_more_is_not_offered(plaza: Stage, ada: Window, change: str) -> None:
    await ada.open("Grace Hopper")
    await ada.say("said")
    await ada.is_sent("said")
    message = ada.part("messages").locator(ada.message("said"))

    async def offers() -> list[str]:
        await message.hover()
        await message.get_by_test_id("more").click()
        await expect(ada.part("action-copy")).to_be_visible()
        return await ada.part("context-menu").get_by_role("menuitem").all_inner_texts()

    assert "Edit" in await offers()
    async with plaza.runtime.db.engine.begin() as connection:
        await connection.execute(text(f"update chat_message set {change} where content = 'said'"))
    await ada.page.reload()
    await ada.is_online()
    offered = await offers()
    assert "Edit" not in offered
    assert "Delete…" in offered
    await ada.page.keyboard.press("Escape")
    await ada.part("composer").press("ArrowUp")
    await expect(ada.part("editor")).to_have_count(0)


async def test_a_device_whose_clock_is_wrong_is_offered_the_same(ada: Window) -> None:
    await ada.page.clock.set_system_time(datetime.now(UTC) + timedelta(hours=1))
    await ada.page.reload()
    await ada.is_online()
    await ada.open("Grace Hopper")
    await ada.say("said")
    await ada.is_sent("said")
    await ada.act("said", "action-edit")
    await expect(ada.part("editor-text")).to_have_value("said")


async def test_a_deleted_message_leaves_a_tombstone_in_both_windows(ada: Window, grace: Window) -> None:
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    await ada.say("too much")
    await expect(grace.message("too much")).to_be_visible()
    await ada.act("too much", "action-delete")
    await expect(ada.part("delete-message")).to_contain_text("too much")
    await ada.page.keyboard.press("Escape")
    await expect(ada.message("too much")).to_have_attribute("data-state", "sent")

    await ada.act("too much", "action-delete")
    await ada.part("submit").click()
    for window in (ada, grace):
        tombstone = window.part("message").last
        await expect(tombstone).to_have_attribute("data-state", "deleted")
        await expect(tombstone.get_by_test_id("message-text")).to_have_text("This message was deleted")
        await tombstone.hover()
        await expect(tombstone.get_by_test_id("more")).to_be_hidden()
    await expect(ada.conversation("Grace Hopper").get_by_test_id("conversation-preview")).to_have_text(
        "You: This message was deleted"
    )

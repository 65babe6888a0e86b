"""Reactions, seen by two."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.window import Window


async def test_a_reaction_is_counted_in_both_windows_and_taken_back_by_a_click_and_may_be_any_emoji(
    ada: Window, grace: Window
) -> None:
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    await ada.say("Shall we?")
    await ada.is_sent("Shall we?")

    await grace.act("Shall we?", "react")
    await grace.part("emoji").first.click()
    theirs, mine = (window.message("Shall we?").get_by_test_id("reaction") for window in (ada, grace))
    await expect(mine).to_have_text("👍1")
    await expect(mine).to_have_attribute("aria-pressed", "true")
    await expect(theirs).to_have_text("👍1")
    await expect(theirs).to_have_attribute("aria-pressed", "false")

    await theirs.click()
    await expect(mine).to_have_text("👍2")
    await expect(theirs).to_have_attribute("aria-pressed", "true")
    await mine.click()
    await expect(theirs).to_have_text("👍1")
    await ada.act("Shall we?", "action-reactions")
    await expect(ada.part("message-reactions")).to_contain_text("Ada Lovelace")
    await ada.page.keyboard.press("Escape")
    await theirs.click()
    await expect(mine).to_have_count(0)

    await ada.act("Shall we?", "react")
    await ada.part("emoji-input").fill("yes")
    await ada.part("emoji-submit").click()
    await expect(ada.part("emoji-picker")).to_contain_text("This is not an emoji.")
    await ada.part("emoji-input").fill("🧵")
    await ada.page.keyboard.press("Enter")
    await expect(mine).to_have_text("🧵1")
    await expect(ada.part("emoji-picker")).to_be_hidden()


async def test_what_happened_while_away_is_there_after_coming_back(ada: Window, grace: Window) -> None:
    ada.watch.expect(r"net::ERR_|WebSocket connection to .* failed")
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    for text in ("will be edited", "will be deleted", "will be pinned"):
        await grace.say(text)
        await expect(ada.message(text)).to_be_visible()

    await ada.page.context.set_offline(True)
    await ada.is_reconnecting()
    await grace.act("will be pinned", "react")
    await grace.part("emoji").first.click()
    await grace.act("will be pinned", "action-pin")
    await grace.act("will be deleted", "action-delete")
    await grace.part("submit").click()
    await grace.act("will be edited", "action-edit")
    await grace.part("editor-text").fill("was edited")
    await grace.page.keyboard.press("Enter")
    await expect(grace.message("was edited")).to_be_visible()
    await ada.page.context.set_offline(False)

    await expect(ada.message("was edited")).to_be_visible()
    await expect(ada.message("This message was deleted")).to_be_visible()
    await expect(ada.message("will be pinned").get_by_test_id("reaction")).to_have_text("👍1")
    await expect(ada.message("will be pinned").get_by_test_id("pinned")).to_be_visible()

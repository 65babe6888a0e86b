"""Who is there, as they want to be seen, and who is writing."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.window import Window


async def test_one_is_seen_as_one_chooses_and_the_choice_holds(ada: Window, grace: Window) -> None:
    await ada.open("Grace Hopper")
    await expect(ada.part("presence")).to_have_text("Online")
    await grace.part("menu-button").click()
    for choice, told in (("dnd", "Do not disturb"), ("away", "Away"), ("invisible", "Last seen just now")):
        await grace.part(f"presence-{choice}").click()
        await expect(grace.part(f"presence-{choice}")).to_have_attribute("aria-checked", "true")
        await expect(ada.part("presence")).to_have_text(told)
    await grace.page.reload()
    await grace.is_online()
    await grace.part("menu-button").click()
    await expect(grace.part("presence-invisible")).to_have_attribute("aria-checked", "true")
    await grace.part("presence-online").click()
    await expect(ada.part("presence")).to_have_text("Online")


async def test_writing_is_told_until_the_message_is_there(ada: Window, grace: Window) -> None:
    await ada.open("Plaza tour")
    await grace.open("Plaza tour")
    await grace.part("composer").press_sequentially("On my way")
    preview = ada.conversation("Plaza tour").get_by_test_id("conversation-preview")
    places = (ada.part("typing"), preview)  # at once: it is told for some seconds only
    await asyncio.gather(*(expect(each).to_have_text("Grace Hopper is typing…") for each in places))
    await expect(grace.part("typing")).to_have_text("")
    await grace.part("send").click()
    await expect(ada.message("On my way")).to_be_visible()
    await expect(ada.part("typing")).to_have_text("")

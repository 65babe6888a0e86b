"""What people mark and keep for themselves: pins, saved messages, drafts, mute, archive, messages for later."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import expect

from plaza.chat.schemas.marks import DraftText
from plaza.chat.service.marks import DraftService
from plaza.core.actor import Actor
from plaza.core.ids import uuid7
from plaza.identity import ProfileService
from plaza.identity.schemas import LookupInput
from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.chat.builders import Chat
from tests.support.stage import Stage

PAGE = 100  # the most that one page of a list holds
TEXT = "The analytical engine weaves algebraic patterns, you wrote?"


async def test_a_pin_is_everybodys_and_a_saved_message_only_ones_own(ada: Window, grace: Window) -> None:
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    await grace.part("show-pins").click()
    await ada.act(TEXT, "action-pin")
    await expect(grace.part("pins").get_by_test_id("result-text")).to_have_text(TEXT)
    await expect(ada.message(TEXT).get_by_test_id("pinned")).to_be_visible()
    await grace.part("unpin").click()
    await expect(grace.part("pins").get_by_test_id("result")).to_have_count(0)
    await expect(ada.message(TEXT).get_by_test_id("pinned")).to_be_hidden()

    await ada.act(TEXT, "action-save")
    await expect(ada.message(TEXT).get_by_test_id("saved-mark")).to_be_visible()
    await expect(grace.message(TEXT).get_by_test_id("saved-mark")).to_be_hidden()
    await ada.open("Plaza tour")
    await ada.part("menu-button").click()
    await ada.part("menu-saved").click()
    await ada.part("saved").get_by_test_id("result").click()
    await expect(ada.message(TEXT)).to_be_focused()
    await ada.part("saved-remove").click()
    await expect(ada.part("saved").get_by_test_id("result")).to_have_count(0)
    await expect(ada.message(TEXT).get_by_test_id("saved-mark")).to_be_hidden()


async def test_a_draft_waits_on_the_persons_other_devices(ada: Window, open_window: OpenWindow) -> None:
    phone = await open_window()
    await phone.step_in_as("Ada Lovelace")
    await ada.open("Grace Hopper")
    await ada.part("composer").fill("half a thought")
    preview = phone.conversation("Grace Hopper").get_by_test_id("conversation-preview")
    await expect(preview).to_have_text("Draft: half a thought")
    await phone.open("Grace Hopper")
    await expect(phone.part("composer")).to_have_value("half a thought")
    await phone.part("composer").fill("half a thought, and the other half")
    await phone.page.keyboard.press("Enter")
    await expect(ada.message("half a thought, and the other half")).to_be_visible()
    await expect(ada.part("composer")).to_have_value("")


async def test_lists_of_more_than_a_page_are_shown_to_their_end(
    plaza: Stage, demo: None, open_window: OpenWindow
) -> None:
    chat = Chat(plaza)
    found = await plaza[ProfileService].lookup(Actor(user_id=uuid7()), LookupInput(email="ada@demo.example"))
    ada = Actor(user_id=found.unwrap().id)
    others = await chat.people(*(f"Guest {n}" for n in range(PAGE + 5)))
    hall = await chat.group(ada, *others, title="Hall")
    for n, each in enumerate([hall, *[await chat.group(ada, title=f"Room {n}") for n in range(PAGE)]]):
        plaza.clock.advance(timedelta(seconds=1))
        (await plaza[DraftService].put(ada, each, DraftText(content=f"thought {n}"))).unwrap()
    said = await chat.say(ada, hall, "Who is here?")
    for guest in others:
        (await chat.react(guest, said, "👍")).unwrap()

    window = await open_window()
    await window.step_in_as("Ada Lovelace")
    await expect(window.conversation("Hall").get_by_test_id("conversation-preview")).to_have_text("Draft: thought 0")
    await window.open("Hall")
    for action, dialog in (("action-receipts", "message-receipts"), ("action-reactions", "message-reactions")):
        await window.act("Who is here?", action)
        await expect(window.part(dialog).locator("li")).to_have_count(len(others))
        await window.page.keyboard.press("Escape")


async def test_muted_and_archived_conversations_are_set_aside_on_all_devices(
    ada: Window, grace: Window, open_window: OpenWindow
) -> None:
    other = await open_window()
    await other.step_in_as("Ada Lovelace")
    await expect(other.part("total-unread")).to_have_text("4")
    await ada.open("Grace Hopper")
    await expect(other.part("total-unread")).to_have_text("3")
    await ada.part("conversation-menu").click()
    await ada.part("menu-mute").click()
    await ada.part("mute-forever").click()
    await expect(other.conversation("Grace Hopper").get_by_test_id("conversation-muted")).to_be_visible()
    await grace.open("Ada Lovelace")
    await ada.open("Plaza tour")
    await grace.say("psst")
    await expect(other.unread("Grace Hopper")).to_have_text("1")
    await expect(other.part("total-unread")).to_be_hidden()

    await ada.open("Grace Hopper")
    await ada.part("conversation-menu").click()
    await ada.part("menu-archive").click()
    await expect(other.part("archive-toggle")).to_have_text("Archived (1)")
    await expect(other.conversation("Grace Hopper")).to_be_hidden()
    await other.part("archive-toggle").click()
    await other.open("Grace Hopper")
    await other.part("conversation-menu").click()
    await other.part("menu-unarchive").click()
    await expect(ada.part("archive-toggle")).to_be_hidden()
    await expect(ada.part("conversations").locator(ada.conversation("Grace Hopper"))).to_be_visible()


async def test_where_one_mutes_all_but_mentions_those_count(ada: Window, grace: Window) -> None:
    await grace.open("Plaza tour")  # and all of it is read
    await grace.open("Ada Lovelace")
    await expect(grace.part("total-unread")).to_be_hidden()
    await ada.open("Plaza tour")
    for choice, expected in (("mute-forever", None), ("mute-mentions", "1")):
        await grace.open("Plaza tour")
        await grace.part("conversation-menu").click()
        if choice == "mute-mentions":
            await grace.part("menu-unmute").click()
            await grace.part("conversation-menu").click()
        await grace.part("menu-mute").click()
        await grace.part(choice).click()
        await expect(grace.conversation("Plaza tour").get_by_test_id("conversation-muted")).to_be_visible()
        await grace.open("Ada Lovelace")
        await ada.say(f"nobody in particular, {choice}")
        await ada.part("composer").press_sequentially("@ho")
        await ada.page.keyboard.press("Tab")
        await ada.page.keyboard.press("Enter")
        await expect(grace.unread("Plaza tour")).to_have_text("2")
        await expect(grace.conversation("Plaza tour").get_by_test_id("conversation-mentions")).to_be_visible()
        if expected is None:
            await expect(grace.part("total-unread")).to_be_hidden()
        else:
            await expect(grace.part("total-unread")).to_have_text(expected)


async def test_a_message_for_later_goes_out_at_its_time_or_is_taken_back(
    plaza: Stage, ada: Window, grace: Window
) -> None:
    for window in (ada, grace):
        window.watch.expect("401 ")  # tokens age with the clock
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    for text in ("good morning", "never"):
        await ada.part("composer").fill(text)
        await ada.part("composer-later").click()
        await ada.part("submit").click()
        await expect(ada.part("composer")).to_have_value("")
    await expect(ada.part("scheduled")).to_have_text("2 scheduled messages")
    await ada.part("scheduled").click()
    await ada.page.get_by_label("Cancel “never”").click()
    await expect(ada.part("scheduled-cancel")).to_have_count(1)
    await ada.part("submit").click()
    await expect(ada.part("scheduled")).to_have_text("1 scheduled message")
    plaza.clock.advance(timedelta(hours=2))
    await expect(grace.message("good morning")).to_be_visible()
    await expect(ada.part("scheduled")).to_be_hidden()


async def test_what_was_read_can_be_kept_as_unread(ada: Window) -> None:
    await ada.open("Plaza tour")
    await expect(ada.unread("Plaza tour")).to_be_hidden()
    await ada.act("Kill a server while you are at it: `plaza up` brings it back.", "action-unread")
    await expect(ada.unread("Plaza tour")).to_have_text("1")
    await expect(ada.part("thread-title")).to_be_hidden()
    await ada.open("Plaza tour")
    await expect(ada.page.locator('[data-kind="new"] + li')).to_contain_text("Linus Pauling")
    await expect(ada.unread("Plaza tour")).to_be_hidden()

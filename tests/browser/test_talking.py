"""Two people and two windows."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from playwright.async_api import expect

from plaza.chat import MessageDraft, MessageService
from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.support.people import member
from tests.support.stage import Stage

HISTORY = 120  # three pages


async def test_a_message_arrives_in_the_other_window_and_is_seen_to_be_read(
    plaza: Stage, ada: Window, grace: Window
) -> None:
    await expect(grace.unread("Ada Lovelace")).to_have_text("1")
    await grace.open("Ada Lovelace")
    await expect(grace.unread("Ada Lovelace")).to_be_hidden()
    await grace.open("Plaza tour")

    plaza.clock.advance(timedelta(minutes=1))
    await ada.open("Grace Hopper")
    await ada.say("Noon at the fountain?")
    await ada.is_sent("Noon at the fountain?")
    await expect(grace.unread("Ada Lovelace")).to_have_text("1")
    await expect(grace.part("total-unread")).to_have_text("1")
    await expect(grace.page).to_have_title("(1) Plaza")
    await expect(grace.conversation("Ada Lovelace").get_by_test_id("conversation-preview")).to_have_text(
        "Noon at the fountain?"
    )
    await expect(grace.part("conversation-name")).to_have_text(["Ada Lovelace", "Plaza tour"])

    await grace.open("Ada Lovelace")
    await expect(grace.message("Noon at the fountain?")).to_be_visible()
    await expect(grace.unread("Ada Lovelace")).to_be_hidden()
    await expect(grace.page).to_have_title("Plaza")
    await expect(ada.message("Noon at the fountain?").get_by_test_id("message-state")).to_have_text("seen")

    await grace.say("Gladly")
    await expect(ada.message("Gladly")).to_be_visible()
    await expect(ada.part("live")).to_have_text("Grace Hopper: Gladly")
    await expect(ada.unread("Grace Hopper")).to_be_hidden()


async def test_reading_in_one_window_clears_the_badge_of_the_other(
    plaza: Stage, ada: Window, open_window: OpenWindow
) -> None:
    same = await open_window()
    await same.step_in_as("Ada Lovelace")
    await expect(same.unread("Plaza tour")).to_have_text("3")
    await ada.open("Plaza tour")
    await expect(same.unread("Plaza tour")).to_be_hidden()
    first_unread = ada.page.locator('[data-kind="new"] + li')
    await expect(first_unread).to_contain_text("Grace Hopper")


async def test_the_dot_tells_whether_the_other_is_there(ada: Window, grace: Window) -> None:
    dot = ada.conversation("Grace Hopper").get_by_test_id("conversation-presence")
    await expect(dot).to_have_attribute("data-status", "online")
    await ada.open("Grace Hopper")
    await expect(ada.part("presence")).to_have_text("Online")
    await grace.page.close()
    await expect(ada.part("presence")).to_have_text("Last seen just now")
    await expect(dot).to_be_hidden()


async def test_a_stranger_is_found_by_exact_address_and_a_group_is_made(
    plaza: Stage, ada: Window, grace: Window
) -> None:
    await member(plaza, "nora")
    ada.watch.expect("404 .*/users/lookup")
    await ada.part("new-conversation").click()
    await ada.part("lookup-input").fill("nobody@example.com")
    await ada.part("lookup-submit").click()
    await expect(ada.part("lookup-error")).to_contain_text("Nobody was found")
    await ada.part("lookup-input").fill("nora@example.com")
    await ada.part("lookup-input").press("Enter")
    await expect(ada.part("chosen-person")).to_have_text(["Nora×"])
    await ada.part("suggestion").filter(has_text="Grace Hopper").click()
    await ada.part("group-title").fill("Fountain")
    await ada.part("new-submit").click()
    await expect(ada.part("thread-title")).to_have_text("Fountain")
    await expect(ada.part("system-message")).to_have_text("You created the group")

    await grace.open("Fountain")
    await expect(grace.part("system-message")).to_have_text("Ada Lovelace created the group")
    await expect(grace.part("thread-members")).to_have_text("Ada Lovelace, Nora, you")
    await ada.say("Bring chairs")
    await expect(grace.message("Bring chairs")).to_contain_text("Ada Lovelace")


async def test_who_is_added_renamed_and_removed_is_told_and_shown(plaza: Stage, ada: Window) -> None:
    owner = await member(plaza, "nora")
    group = {"kind": "group", "title": "Fountain", "member_ids": []}
    conversation = (await owner.http.post("/api/v1/chat/conversations", json=group)).json()["id"]
    ada_id = (await owner.http.post("/api/v1/auth/users/lookup", json={"email": "ada@demo.example"})).json()["id"]
    path = f"/api/v1/chat/conversations/{conversation}"

    await owner.http.post(f"{path}/participants", json={"user_id": ada_id})
    await ada.open("Fountain")
    await expect(ada.part("system-message").last).to_have_text("Nora added you")
    await owner.http.patch(f"{path}/participants/{ada_id}", json={"role": "admin"})
    await expect(ada.part("system-message").last).to_have_text("You are now an admin")
    await owner.http.patch(path, json={"title": "Fountain at noon"})
    await expect(ada.part("thread-title")).to_have_text("Fountain at noon")
    await expect(ada.part("system-message").last).to_have_text("The group is now called “Fountain at noon”")
    await owner.http.delete(f"{path}/participants/{ada_id}")
    await expect(ada.conversation("Fountain at noon")).to_have_count(0)
    await expect(ada.page.get_by_text("You are no longer part of that conversation.")).to_be_visible()


async def test_markup_is_text(ada: Window, grace: Window) -> None:
    markup = "<img src=x onerror=alert(1)> & <b>bold</b>"
    await grace.open("Ada Lovelace")
    await ada.open("Grace Hopper")
    await ada.say(markup)
    for window in (ada, grace):
        await expect(window.message(markup)).to_be_visible()
        assert await window.part("messages").locator("img, b").count() == 0


async def test_a_refused_message_can_be_discarded(ada: Window) -> None:
    await ada.open("Grace Hopper")
    await ada.say("nothing \0 else")
    refused = ada.part("message").filter(has_text="Not sent.")
    await expect(refused).to_have_attribute("data-state", "failed")
    await refused.get_by_test_id("message-discard").click()
    await expect(refused).to_have_count(0)
    await ada.say("but this")
    await ada.is_sent("but this")


async def test_history_is_read_backwards_without_gap_and_news_do_not_pull_down(plaza: Stage, ada: Window) -> None:
    nora = await member(plaza, "nora")
    ada_id = (await nora.http.post("/api/v1/auth/users/lookup", json={"email": "ada@demo.example"})).json()["id"]
    direct = {"kind": "direct", "member_ids": [ada_id]}
    conversation = (await nora.http.post("/api/v1/chat/conversations", json=direct)).json()["id"]

    async def write(text: str) -> None:
        draft = MessageDraft(sender_id=nora.id, conversation_id=conversation, client_id=uuid4(), content=text)
        (await plaza[MessageService].send(draft)).unwrap()

    for number in range(HISTORY):
        await write(f"line {number}")
    await expect(ada.unread("Nora")).to_have_text(str(HISTORY))
    await ada.open("Nora")
    scroller = ada.page.locator("#scroller")
    while await ada.part("message").count() < HISTORY:
        shown = await ada.part("message").count()
        await scroller.evaluate("element => { element.scrollTop = 0 }")
        await expect(ada.part("message").nth(shown)).to_be_attached()
    assert await ada.texts() == [f"line {number}" for number in range(HISTORY)]
    await ada.has_no_gap()
    await expect(ada.part("history-state")).to_have_text("This is where the conversation begins.")

    await scroller.evaluate("element => { element.scrollTop = 0 }")
    await expect(ada.part("jump")).to_have_text("Latest messages ↓")
    await write("down here")
    await expect(ada.part("jump")).to_have_text("New messages ↓")
    await expect(ada.unread("Nora")).to_have_text("1")
    await expect(ada.message("down here")).not_to_be_in_viewport()
    await ada.part("jump").click()
    await expect(ada.message("down here")).to_be_in_viewport()
    await expect(ada.unread("Nora")).to_be_hidden()


async def test_half_a_thought_waits_in_its_conversation(ada: Window) -> None:
    await ada.open("Grace Hopper")
    await ada.part("composer").fill("half a thought")
    await ada.open("Plaza tour")
    await expect(ada.part("composer")).to_have_value("")
    await ada.open("Grace Hopper")
    await expect(ada.part("composer")).to_have_value("half a thought")


async def test_an_address_opens_its_conversation_and_refuses_a_strangers(ada: Window) -> None:
    ada.watch.expect("404 .*/conversations/")
    await ada.open("Plaza tour")
    address = ada.page.url
    await ada.page.goto("/#/c/00000000-0000-7000-8000-000000000000")
    await expect(ada.page.get_by_text("There is no such conversation for you.")).to_be_visible()
    await ada.page.goto(address)
    await expect(ada.part("thread-title")).to_have_text("Plaza tour")

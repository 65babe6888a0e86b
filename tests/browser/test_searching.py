"""Search, and the way from what was found into the history around it."""

from __future__ import annotations

from uuid import uuid4

from playwright.async_api import expect

from plaza.chat import MessageDraft, MessageService
from tests.browser.window import Window
from tests.support.people import member
from tests.support.stage import Stage

HISTORY = 150


async def test_words_of_any_script_are_found_marked_and_grouped(ada: Window) -> None:
    await ada.open("Grace Hopper")
    await ada.say("Das Café am Brunnen")
    await ada.is_sent("Das Café am Brunnen")
    await ada.page.keyboard.press("Control+k")
    await expect(ada.part("search")).to_be_focused()
    for sought, marked in (("中文", "中文"), ("درود", "درود"), ("CAFE", "Café")):
        await ada.part("search").fill(sought)
        await expect(ada.part("result-text").locator("mark")).to_have_text([marked])
    await expect(ada.part("result-group")).to_contain_text(["Grace Hopper"])
    await ada.part("search").fill("tour")
    await expect(ada.part("found-conversation")).to_have_text("PTPlaza tour")
    await ada.part("search").fill("nowhere to be found")
    await expect(ada.part("search-state")).to_have_text("No message holds this.")
    await ada.page.keyboard.press("Escape")
    await expect(ada.part("search-view")).to_be_hidden()
    await expect(ada.conversation("Plaza tour")).to_be_visible()

    await ada.part("conversation-menu").click()
    await ada.part("menu-search").click()
    await ada.part("search").fill("the")
    await expect(ada.part("result-group").locator("h3")).to_have_text(["Grace Hopper"])
    await ada.part("search-scope").click()
    await expect(ada.part("result-group").locator("h3")).to_have_count(2)


async def test_a_click_leads_into_the_past_from_where_history_goes_on_both_ways(plaza: Stage, ada: Window) -> None:
    nora = await member(plaza, "nora")
    ada_id = (await nora.http.post("/api/v1/auth/users/lookup", json={"email": "ada@demo.example"})).json()["id"]
    direct = {"kind": "direct", "member_ids": [ada_id]}
    conversation = (await nora.http.post("/api/v1/chat/conversations", json=direct)).json()["id"]

    async def write(text: str) -> None:
        draft = MessageDraft(sender_id=nora.id, conversation_id=conversation, client_id=uuid4(), content=text)
        (await plaza[MessageService].send(draft)).unwrap()

    for number in range(HISTORY):
        await write("the needle" if number == 40 else f"straw {number}")
    await ada.open("Nora")
    await expect(ada.message(f"straw {HISTORY - 1}")).to_be_in_viewport()
    await ada.part("search").fill("needle")
    await ada.part("result").click()
    await expect(ada.message("the needle")).to_be_in_viewport()
    await expect(ada.message("the needle")).to_be_focused()
    await expect(ada.message(f"straw {HISTORY - 1}")).to_have_count(0)
    await write("meanwhile")
    await expect(ada.part("jump")).to_have_text("New messages ↓")

    scroller = ada.page.locator("#scroller")
    while not await ada.message("meanwhile").count():
        await scroller.evaluate("element => { element.scrollTop = element.scrollHeight }")
        await expect(ada.part("history-state")).not_to_have_text("Loading…")
    while not await ada.message("straw 0").count():
        await scroller.evaluate("element => { element.scrollTop = 0 }")
        await expect(ada.part("history-state")).not_to_have_text("Loading…")
    await ada.has_no_gap()
    assert len(await ada.texts()) == HISTORY + 1
    await ada.part("jump").click()
    await expect(ada.message("meanwhile")).to_be_in_viewport()

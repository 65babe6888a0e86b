"""Who is in a group, how one gets into it, and whom one would rather not hear."""

from __future__ import annotations

from playwright.async_api import Locator, expect

from plaza.app.demo import DEMO_PASSWORD
from tests.browser.conftest import OpenWindow
from tests.browser.window import Window
from tests.support.people import member
from tests.support.stage import Stage


def person(window: Window, name: str) -> Locator:
    return window.part("person").filter(has=window.part("person-name").get_by_text(name, exact=True))


async def choose(window: Window, name: str, choice: str) -> None:
    await person(window, name).get_by_test_id("person-more").click()
    await window.part(choice).click()


async def found_group(window: Window, title: str, others: list[str]) -> None:
    await window.part("new-conversation").click()
    for name in others:
        await window.part("suggestion").filter(has_text=name).click()
    await window.part("group-title").fill(title)
    await window.part("new-submit").click()
    await expect(window.part("thread-title")).to_have_text(title)


async def test_people_are_added_given_parts_and_removed(plaza: Stage, ada: Window, grace: Window) -> None:
    await member(plaza, "nora")
    ada.watch.expect("404 .*/users/lookup")
    await ada.open("Plaza tour")
    await ada.part("show-people").click()
    await expect(ada.part("person")).to_have_count(5)
    await ada.part("people-input").fill("nobody@example.com")
    await ada.part("people-add").click()
    await expect(ada.part("people-problem")).to_contain_text("Nobody was found")
    await ada.part("people-input").fill("nora@example.com")
    await ada.page.keyboard.press("Enter")
    await expect(person(ada, "Nora")).to_be_visible()
    await expect(ada.part("people-count")).to_have_text("6 people")
    await choose(ada, "Nora", "person-remove")
    await ada.part("submit").click()
    await expect(person(ada, "Nora")).to_have_count(0)

    await grace.open("Plaza tour")
    await grace.part("show-people").click()
    await expect(grace.part("people-input")).to_be_hidden()
    await choose(ada, "Grace Hopper", "person-admin")
    await expect(person(ada, "Grace Hopper").get_by_test_id("person-marks")).to_have_text("Admin")
    await expect(grace.part("people-input")).to_be_visible()
    await grace.part("group-name").fill("Plaza walk")
    await grace.part("group-save").click()
    await expect(ada.part("thread-title")).to_have_text("Plaza walk")

    await choose(ada, "Grace Hopper", "person-remove")
    await ada.part("submit").click()
    await expect(grace.page.get_by_text("You are no longer part of that conversation.")).to_be_visible()


async def test_a_link_leads_through_the_login_into_the_group_until_it_is_revoked(
    plaza: Stage, ada: Window, open_window: OpenWindow
) -> None:
    await member(plaza, "nora")
    await found_group(ada, "Fountain", ["Grace Hopper", "Linus Pauling"])
    await ada.part("show-people").click()
    await ada.part("link-make").click()
    address = await ada.part("link-address").input_value()

    chen = await open_window(address.removeprefix(plaza.base_url))
    chen.watch.expect("404 .*/join")
    await chen.log_in("chen@demo.example", DEMO_PASSWORD)
    await expect(chen.part("join")).to_be_visible()
    await chen.part("submit").click()
    await expect(chen.part("thread-title")).to_have_text("Fountain")
    await expect(person(ada, "Chen-Ning Yang")).to_be_visible()

    await chen.part("conversation-menu").click()
    await chen.part("menu-leave").click()
    await chen.part("submit").click()
    await expect(person(ada, "Chen-Ning Yang")).to_have_count(0)
    await ada.part("link-revoke").click()
    await expect(ada.part("invite-link")).to_have_count(0)
    await chen.page.goto(address)
    await chen.part("submit").click()
    await expect(chen.part("problem")).to_contain_text("No such invitation holds")


async def test_a_blocked_person_is_hidden_in_groups_and_parted_in_direct(ada: Window, grace: Window) -> None:
    grace.watch.expect("403 ")
    await grace.open("Plaza tour")
    await grace.say("Look at me")
    await grace.is_sent("Look at me")
    await ada.open("Plaza tour")
    await ada.act("Look at me", "action-report")
    await ada.part("field-reason").fill("too loud")
    await ada.part("submit").click()
    await expect(ada.part("toast")).to_contain_text("Thank you")
    await ada.act("Look at me", "action-block")
    await ada.part("submit").click()
    await expect(ada.message("Look at me")).to_have_count(0)
    hidden = ada.part("message").filter(has_text="From somebody whom you blocked").last
    await hidden.get_by_test_id("show-hidden").click()
    await expect(ada.message("Look at me")).to_be_visible()

    await ada.open("Grace Hopper")
    await expect(ada.part("composer-note")).to_contain_text("You blocked Grace Hopper")
    await expect(ada.part("composer")).to_be_hidden()
    await grace.open("Ada Lovelace")
    await grace.say("Why?")
    await expect(grace.part("message").last).to_contain_text("Not sent. One of you has blocked the other.")
    await ada.part("composer-unblock").click()
    await grace.part("message").last.get_by_test_id("message-retry").click()
    await expect(ada.message("Why?")).to_be_visible()
    await expect(ada.part("composer")).to_be_visible()


async def test_what_a_blocked_person_wrote_in_a_group_is_hidden_in_every_list(ada: Window, grace: Window) -> None:
    await grace.open("Plaza tour")
    await grace.say("Look at me")
    await grace.is_sent("Look at me")
    await ada.open("Plaza tour")
    await ada.act("Look at me", "action-pin")
    await ada.act("Look at me", "action-save")
    await ada.part("show-pins").click()
    await ada.part("menu-button").click()
    await ada.part("menu-saved").click()
    pinned, saved, found = (
        ada.part(where).get_by_test_id("result-text") for where in ("pins", "saved", "search-results")
    )
    for shown in (pinned, saved):
        await expect(shown).to_have_text("Look at me")
    await ada.act("Look at me", "action-block")
    await ada.part("submit").click()
    veil = "From somebody whom you blocked"
    for shown in (pinned, saved):
        await expect(shown).to_have_text(veil)
    await ada.part("search").fill("look at me")
    await expect(found).to_have_text(veil)
    await ada.part("show-people").click()
    await choose(ada, "Grace Hopper", "person-block")
    await expect(found).to_have_text("Look at me")


async def test_who_wants_to_be_asked_first_says_yes_or_no(plaza: Stage, ada: Window, grace: Window) -> None:
    http = plaza.client()
    login = {"identifier": "grace@demo.example", "password": DEMO_PASSWORD}
    token = (await http.post("/api/v1/auth/login", json=login)).json()["access_token"]
    wish = {"preferences": {"group_invites": "ask"}}
    await http.patch("/api/v1/auth/profile", json=wish, headers={"Authorization": f"Bearer {token}"})

    await found_group(ada, "Fountain", ["Linus Pauling", "Maryam Mirzakhani"])
    await ada.part("show-people").click()
    for answer in ("invite-decline", "invite-accept"):
        await ada.part("people-input").fill("grace@demo.example")
        await ada.part("people-add").click()
        await expect(ada.part("toast")).to_contain_text("Grace Hopper was asked")
        await expect(grace.part("invite")).to_contain_text("Ada Lovelace asks you into Fountain (3 people)")
        await grace.part(answer).click()
        await expect(grace.part("invite")).to_have_count(0)
    await expect(grace.part("thread-title")).to_have_text("Fountain")
    await expect(person(ada, "Grace Hopper")).to_be_visible()

"""Lines that break: nothing is lost, nothing comes twice, and the page says what is the matter."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack

from playwright.async_api import Page, WebSocketRoute, expect

from plaza.app.demo import DEMO_PASSWORD
from tests.browser.conftest import OpenWindow
from tests.browser.line import Line
from tests.browser.window import Window
from tests.support.outside import Person
from tests.support.stage import Stage

BROKEN = r"net::ERR_|WebSocket connection to .* failed"


async def over(line: Line, open_window: OpenWindow) -> Window:
    """Ada, at the end of a line that breaks, with Grace's conversation open."""
    ada = await open_window(base_url=line.base_url)
    ada.watch.expect(BROKEN)
    await ada.step_in_as("Ada Lovelace")
    await ada.open("Grace Hopper")
    return ada


async def test_what_is_written_offline_goes_out_once_and_what_was_missed_comes_in(ada: Window, grace: Window) -> None:
    ada.watch.expect(BROKEN)
    await ada.open("Grace Hopper")
    await grace.open("Ada Lovelace")
    before = await grace.texts()

    await ada.page.context.set_offline(True)
    await ada.is_reconnecting()
    await expect(ada.part("connection-banner")).to_contain_text("Reconnecting")
    for text in ("from the tunnel", "still in it"):
        await ada.say(text)
        await expect(ada.message(text)).to_have_attribute("data-state", "pending")
    for text in ("missed one", "missed two"):
        await grace.say(text)
        await grace.is_sent(text)
    await ada.page.context.set_offline(False)

    for window in (ada, grace):
        await expect(window.part("message-text")).to_have_text(
            [*before, "missed one", "missed two", "from the tunnel", "still in it"]
        )
        await window.has_no_gap()
    await expect(ada.part("connection-banner")).to_be_hidden()


async def test_what_was_missed_comes_in_without_waiting_for_the_next(
    demo: None, line: Line, open_window: OpenWindow, grace: Window
) -> None:
    ada = await over(line, open_window)
    await grace.open("Ada Lovelace")
    before = await grace.texts()

    line.break_down()
    await ada.is_reconnecting()
    await grace.say("are you there?")
    await grace.is_sent("are you there?")
    await expect(ada.part("reconnect")).to_be_visible()
    line.repair()

    await expect(ada.part("message-text")).to_have_text([*before, "are you there?"])
    await ada.has_no_gap()


async def test_whoever_was_removed_meanwhile_misses_nothing_elsewhere(ada: Window, grace: Window) -> None:
    grace.watch.expect(BROKEN)
    await grace.open("Ada Lovelace")
    before = await grace.texts()
    await grace.page.context.set_offline(True)
    await grace.is_reconnecting()

    await ada.open("Plaza tour")
    await ada.part("show-people").click()
    grace_there = ada.part("person").filter(has_text="Grace Hopper")
    await grace_there.get_by_test_id("person-more").click()
    await ada.part("person-remove").click()
    await ada.part("submit").click()
    await expect(grace_there).to_have_count(0)
    await ada.open("Grace Hopper")
    await ada.say("you are out")
    await ada.is_sent("you are out")
    await grace.page.context.set_offline(False)

    await expect(grace.part("message-text")).to_have_text([*before, "you are out"])
    await expect(grace.conversation("Plaza tour")).to_have_count(0)
    await ada.say("still friends")
    await expect(grace.part("message-text")).to_have_text([*before, "you are out", "still friends"])
    await grace.has_no_gap()


async def test_a_gap_is_asked_for_until_it_is_filled(demo: None, open_window: OpenWindow, ada: Window) -> None:
    """A frame is lost on the way, and the server has no answer when it is asked for it."""
    grace = await open_window()
    lost, refused = list[str](), list[str]()

    def stand_between(page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def hear(frame: str | bytes) -> None:
            told = json.loads(frame)
            if told["type"] == "message.new" and not lost:
                lost.append(told["message"]["content"])
            else:
                page.send(frame)

        def say(frame: str | bytes) -> None:
            said = json.loads(frame)
            if said["type"] == "subscribe" and lost and not refused:
                refused.append(said["ref"])
                error = {"type": "error", "ref": said["ref"], "code": "UNAVAILABLE", "message": "Not now."}
                page.send(json.dumps(error))
            else:
                server.send(frame)

        server.on_message(hear)
        page.on_message(say)

    await grace.page.route_web_socket(re.compile(r"/ws\?"), stand_between)
    await grace.page.reload()
    await grace.step_in_as("Grace Hopper")
    await grace.open("Ada Lovelace")
    before = await grace.texts()
    await ada.open("Grace Hopper")
    for text in ("one", "two", "three"):
        await ada.say(text)
        await ada.is_sent(text)
    await expect(grace.part("message-text")).to_have_text([*before, "one", "two", "three"])
    await grace.has_no_gap()
    assert (lost, len(refused)) == (["one"], 1)


async def test_an_answer_that_is_lost_makes_no_twin(
    demo: None, line: Line, open_window: OpenWindow, grace: Window
) -> None:
    ada = await over(line, open_window)
    await grace.open("Ada Lovelace")

    line.swallow_answers()
    await ada.say("only once")
    await expect(grace.message("only once")).to_be_visible()
    await expect(ada.message("only once")).to_have_attribute("data-state", "pending")
    line.break_down()
    await ada.is_reconnecting()
    line.repair()

    await ada.is_sent("only once")
    await grace.say("heard you")
    for window in (ada, grace):
        await expect(window.message("heard you")).to_be_visible()
        await expect(window.message("only once")).to_have_count(1)
        await window.has_no_gap()


async def test_what_waits_survives_a_reload_and_a_server_that_is_away(
    demo: None, line: Line, open_window: OpenWindow
) -> None:
    ada = await over(line, open_window)
    line.break_down()
    await ada.is_reconnecting()
    await ada.say("over a reload")
    await expect(ada.message("over a reload")).to_have_attribute("data-state", "pending")
    line.repair()
    await ada.page.route("**/api/**", lambda route: route.abort())
    await ada.page.reload()
    await expect(ada.part("start")).to_contain_text("Plaza cannot be reached.")
    await ada.page.unroute("**/api/**")

    await ada.is_online()
    await ada.is_sent("over a reload")
    await expect(ada.message("over a reload")).to_have_count(1)


async def test_a_line_that_fell_silent_is_given_up(
    demo: None, line: Line, open_window: OpenWindow, grace: Window
) -> None:
    ada = await open_window(base_url=line.base_url)
    ada.watch.expect(BROKEN)
    await ada.page.clock.install()
    await ada.step_in_as("Ada Lovelace")
    dot = ada.conversation("Grace Hopper").get_by_test_id("conversation-presence")
    await expect(dot).to_be_visible()  # everything asked so far is answered: only pings are left
    line.swallow_answers()
    await pass_heartbeats(ada.page)
    await ada.is_reconnecting()
    line.repair()
    await ada.is_online()


async def pass_heartbeats(page: Page) -> None:
    """A ping is sent, and its answer waited for in vain."""
    for _ in range(2):
        await page.clock.fast_forward(30_000)


async def test_the_oldest_of_too_many_windows_pauses_until_it_is_wanted(plaza: Stage, ada: Window) -> None:
    http = plaza.client()
    login = {"identifier": "ada@demo.example", "password": DEMO_PASSWORD}
    tokens = (await http.post("/api/v1/auth/login", json=login)).json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    person = Person(tokens["user"]["id"], tokens["user"]["email"], plaza.base_url, http, tokens["refresh_token"])
    async with AsyncExitStack() as others:
        await asyncio.gather(*(others.enter_async_context(person.socket()) for _ in range(10)))
        await expect(ada.part("connection-banner")).to_contain_text("this one is paused")
        await ada.part("reconnect").click()
        await ada.is_online()
        await expect(ada.part("connection-banner")).to_be_hidden()

"""Logins at providers, and ways to log in, under real concurrency."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.identity.outside import AUTH, Browser, World, world_of
from tests.identity.provider import Person, query_of
from tests.support.stage import Stage


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


def told(answers: list[httpx.Response]) -> Counter[str]:
    return Counter("OK" if each.is_success else str(each.json()["code"]) for each in answers)


async def test_of_fifty_exchanges_of_one_code_one_is_let_in(world: World) -> None:
    browser = world.browser()
    code = (await browser.round_trip())["code"]
    answers = await asyncio.gather(*(browser.exchange(code) for _ in range(50)))
    assert told(answers) == {"OK": 1, "CODE_INVALID": 49}
    assert len(await world.rows("select 1 from identity_session")) == 1


async def test_of_fifty_ways_back_with_one_state_one_is_answered(world: World) -> None:
    browser = world.browser()
    left = await browser.set_out()
    url = await browser.visit(left.headers["location"])

    async def come_back() -> dict[str, str]:
        """Again, where a busy machine has kept it waiting for the lock for too long."""
        while (answer := await browser.come_back(url)).status_code == 503:
            await asyncio.sleep(float(answer.headers["retry-after"]))
        return query_of(answer.headers["location"])

    ends = await asyncio.gather(*(come_back() for _ in range(50)))
    assert Counter("code" in each for each in ends) == {True: 1, False: 49}
    assert world.provider.requests["/token"] == 1


async def test_of_fifty_uses_of_one_id_token_one_is_let_in(world: World) -> None:
    token, http = world.provider.id_token(), world.browser().http
    answers = await asyncio.gather(*(http.post(f"{AUTH}/google", json={"id_token": token}) for _ in range(50)))
    assert told(answers) == {"OK": 1, "TOKEN_USED": 49}
    assert len(await world.rows("select 1 from identity_session")) == 1


async def test_first_logins_at_once_make_one_person_whatever_the_provider(world: World) -> None:
    browsers = [world.browser() for _ in range(10)]
    codes = [
        (browser, (await browser.round_trip("google" if n % 2 else "github"))["code"])
        for n, browser in enumerate(browsers)
    ]
    answers = await asyncio.gather(*(browser.exchange(code) for browser, code in codes))
    assert told(list(answers)) == {"OK": 10}
    assert len({each.json()["user"]["id"] for each in answers}) == 1
    assert len(await world.rows("select 1 from identity_user")) == 1
    assert len(await world.rows("select 1 from identity_linked_account")) == 2


async def test_racing_removals_leave_one_way_in(world: World) -> None:
    browser = world.browser()
    browser.sign_in(await browser.log_in("google"))
    for provider in ("github", "oidc:acme", "apple"):
        await complete_link(browser, provider)
    accounts = [each["id"] for each in await browser.linked()]
    assert len(accounts) == 4
    answers = await asyncio.gather(*(browser.unlink(id) for id in accounts for _ in range(3)))
    assert Counter(each.status_code for each in answers)[204] == 3
    assert len(await browser.linked()) == 1


async def test_two_people_who_link_one_account_at_once_get_it_once(world: World) -> None:
    people = []
    for sub in ("a", "b"):
        world.provider.person = Person(sub, f"{sub}@example.com")
        browser = world.browser()
        browser.sign_in(await browser.log_in("google"))
        people.append(browser)
    world.provider.person = Person("7", "shared@example.com")
    ways = [await browser.visit((await browser.link("github")).json()["url"]) for browser in people]
    arrived = await asyncio.gather(*(browser.come_back(way) for browser, way in zip(people, ways, strict=True)))
    ends = Counter(str(sorted(query_of(each.headers["location"]).items())) for each in arrived)
    assert ends == {"[('linked', 'github')]": 1, "[('error', 'LINKED_ACCOUNT_TAKEN')]": 1}
    assert len(await world.rows("select 1 from identity_linked_account where provider = 'github'")) == 1


async def complete_link(browser: Browser, provider: str) -> None:
    url = (await browser.link(provider)).json()["url"]
    arrived = await browser.come_back(await browser.visit(url))
    assert query_of(arrived.headers["location"]) == {"linked": provider}

"""Socket tickets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from plaza.app.runtime import Runtime
from plaza.core.result import Failure, Success
from plaza.identity import SessionService, TicketService
from tests.identity.builders import a_person
from tests.support.clock import ManualClock
from tests.support.stage import Stage, configuration_for


async def test_a_ticket_carries_its_session_and_is_good_once(plaza: Stage) -> None:
    person = await a_person(plaza)
    async with plaza.client(person.pair.access_token) as client:
        answer = await client.post("/api/v1/auth/ws-ticket")
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 60
    ticket = answer.json()["ticket"]
    assert (await plaza[TicketService].redeem(ticket)).unwrap() == person.actor
    again = await plaza[TicketService].redeem(ticket)
    assert isinstance(again, Failure)
    assert again.error.code == "UNAUTHENTICATED"


async def test_of_many_at_once_one_gets_it(plaza: Stage) -> None:
    person = await a_person(plaza)
    ticket = (await plaza[TicketService].issue(person.actor)).unwrap().ticket
    results = await asyncio.gather(*(plaza[TicketService].redeem(ticket) for _ in range(20)))
    assert len([each for each in results if isinstance(each, Success)]) == 1


async def test_a_ticket_lasts_a_minute(plaza: Stage, clock: ManualClock) -> None:
    person = await a_person(plaza)
    tickets = [(await plaza[TicketService].issue(person.actor)).unwrap().ticket for _ in range(2)]
    clock.advance(timedelta(seconds=59))
    assert isinstance(await plaza[TicketService].redeem(tickets[0]), Success)
    clock.advance(timedelta(seconds=1))
    assert isinstance(await plaza[TicketService].redeem(tickets[1]), Failure)
    names = [key async for key in plaza.runtime.redis.scan_iter("plaza:ticket:*")]
    assert names == []


async def test_redis_forgets_an_unused_ticket_by_itself(plaza: Stage) -> None:
    person = await a_person(plaza)
    ticket = (await plaza[TicketService].issue(person.actor)).unwrap().ticket
    [name] = [key async for key in plaza.runtime.redis.scan_iter("plaza:ticket:*")]
    assert ticket.encode() not in name
    assert 0 < await plaza.runtime.redis.ttl(name) <= 60


async def test_the_ticket_of_an_ended_session_opens_nothing(plaza: Stage) -> None:
    person = await a_person(plaza)
    ticket = (await plaza[TicketService].issue(person.actor)).unwrap().ticket
    (await plaza[SessionService].logout(person.actor, None)).unwrap()
    assert isinstance(await plaza[TicketService].redeem(ticket), Failure)


@pytest.mark.parametrize("ticket", ["", "x", "x" * 5000, "*", "é"])
async def test_what_is_no_ticket(plaza: Stage, ticket: str) -> None:
    assert isinstance(await plaza[TicketService].redeem(ticket), Failure)


async def test_without_redis_there_are_none(plaza: Stage) -> None:
    person = await a_person(plaza)
    url = plaza.configuration.plaza.database_url
    broken = Runtime(configuration_for(url, "unix:///nonexistent/valkey.sock"), "other", clock=plaza.clock)
    try:
        for result in (
            await broken.parts[TicketService].issue(person.actor),
            await broken.parts[TicketService].redeem("x"),
        ):
            assert isinstance(result, Failure)
            assert result.error.code == "UNAVAILABLE"
    finally:
        await broken.close()

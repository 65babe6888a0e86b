"""A line while the API process itself ends: politely, and by SIGKILL with messages under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from plaza.client import Down, Plaza, Up
from plaza.client.frames import MessageNew
from tests.support.listening import next_of, seqs, up_to
from tests.support.outside import Person
from tests.support.processes import ApiProcess, Installation
from tests.support.servers import TestServers


@dataclass
class House:
    api: ApiProcess
    people: list[Person]
    conversation: UUID


@pytest.fixture(scope="module")
async def house(servers: TestServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    variables = {"PLAZA_RATE_LIMIT_ENABLED": "false", "PLAZA_REALTIME_RESTART_SPREAD_MS": "100", "PLAZA_DRAIN_S": "10"}
    database_url = await servers.another_database("client")
    async with Installation(tmp_path_factory.mktemp("client"), database_url, redis_url, **variables) as installation:
        api = await installation.api()
        people, conversation = await installation.people(2, api)
        yield House(api, people, UUID(conversation))


@pytest.fixture
async def clients(house: House) -> AsyncIterator[tuple[Plaza, Plaza]]:
    async with house.people[0].plaza() as one, house.people[1].plaza() as other:
        yield one, other


async def test_told_to_come_back_it_misses_nothing(house: House, clients: tuple[Plaza, Plaza]) -> None:
    writer, reader = clients
    async with reader.line() as line:
        began = line.positions[house.conversation]
        assert await house.api.stop() == 0
        end = await next_of(line, Down)
        assert end.code == 1012
        assert end.reason.startswith("retry_ms=")
        sending = asyncio.create_task(writer.messages.send(house.conversation, "is anybody there?"))
        await house.api.start()
        heard = await up_to(line, house.conversation, (await sending).seq)
    assert Up() in heard
    assert seqs(heard, house.conversation) == [began + 1]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "msgpack"])
async def test_what_was_under_way_when_it_was_killed_is_in_the_log_once(
    house: House, clients: tuple[Plaza, Plaza], binary: bool
) -> None:
    writer, reader = clients
    client_ids = [uuid4() for _ in range(200)]
    async with reader.line() as line, writer.line(binary=binary) as writers:
        began = line.positions[house.conversation]
        sending = [
            asyncio.create_task(writers.send(house.conversation, f"{n}", client_id=client_id))
            for n, client_id in enumerate(client_ids)
        ]
        await next_of(writers, MessageNew)
        house.api.kill()
        assert not all(task.done() for task in sending), "some are to be said again"
        await house.api.start()
        acked = await asyncio.gather(*sending)
        heard = await up_to(line, house.conversation, max(each.seq for each in acked))
    assert [each.client_id for each in acked] == client_ids
    assert seqs(heard, house.conversation) == list(range(began + 1, began + len(client_ids) + 1))
    told = {each.message.client_id: each.seq for each in heard if isinstance(each, MessageNew)}
    assert told == {each.client_id: each.seq for each in acked}

"""Too much at once: what cannot be served in time is told so, everything else goes on, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.support.locks import held
from tests.support.outside import Person
from tests.support.processes import ApiProcess, Installation
from tests.support.servers import TestServers
from tests.support.waiting import eventually

POOL = 2  # connections that write, and as many that read
LOCKS_LAST = {
    "PLAZA_DATABASE_POOL_SIZE": str(POOL),
    "PLAZA_DATABASE_LOCK_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_STATEMENT_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_TRANSACTION_TIMEOUT_S": "60",
}
LOCK_CONVERSATION = "select from chat_conversation where id = $1 for update"
LOCK_HISTORY = "lock table chat_message in access exclusive mode"

Ask = Callable[[Person, str], Coroutine[Any, Any, httpx.Response]]


@dataclass
class House:
    installation: Installation
    database_url: str
    patient: ApiProcess  # requests may take long, but not wait for a connection
    hasty: ApiProcess  # requests may not take long
    people: list[Person]
    conversation: str

    async def at(self, api: ApiProcess) -> list[Person]:
        return [person.at(await self.installation.client(api)) for person in self.people]


@pytest.fixture(scope="module")
async def house(servers: TestServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    database_url = await servers.another_database("overload")
    async with Installation(tmp_path_factory.mktemp("overload"), database_url, redis_url, **LOCKS_LAST) as installation:
        patient, hasty = await asyncio.gather(
            installation.api(PLAZA_DATABASE_POOL_TIMEOUT_S="0.3"),
            installation.api(PLAZA_DATABASE_POOL_TIMEOUT_S="60", PLAZA_REQUEST_DEADLINE_S="1"),
        )
        people, conversation = await installation.people(2, patient)
        yield House(installation, database_url, patient, hasty, people, conversation)


def refused_for_now(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE"), answer.text
    assert int(answer.headers["Retry-After"]) >= 1


async def rename(person: Person, conversation: str) -> httpx.Response:
    return await person.http.patch(f"/api/v1/chat/conversations/{conversation}", json={"title": str(uuid4())})


async def read(person: Person, conversation: str) -> httpx.Response:
    return await person.http.get(f"/api/v1/chat/conversations/{conversation}/messages")


async def test_without_a_connection_left_for_writing_reading_goes_on(house: House) -> None:
    ada, bob = await house.at(house.patient)
    async with bob.socket() as line, held(house.database_url, LOCK_CONVERSATION, UUID(house.conversation)) as lock:
        waiting = [asyncio.create_task(rename(ada, house.conversation)) for _ in range(POOL)]
        await lock.is_wanted_by(POOL)
        for answer in await asyncio.gather(*(rename(ada, house.conversation) for _ in range(5))):
            refused_for_now(answer)
        refused_for_now(await ada.http.post("/api/v1/auth/logout"))
        fields = {"conversation_id": house.conversation, "client_id": str(uuid4()), "content": "not now"}
        refused = await line.next("error", ref=await line.send("message.send", **fields))
        assert refused["code"] == "UNAVAILABLE"
        assert refused["retry_after"] > 0
        assert (await read(ada, house.conversation)).status_code == 200
        assert await house.patient.health() == (200, "ok"), "busy is not down"

        await lock.release()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * POOL
        acked = await line.next("ack", ref=await line.send("message.send", **fields))
        assert acked["message"]["content"] == "not now"
    assert (await rename(ada, house.conversation)).status_code == 200


async def test_without_a_connection_left_for_reading_writing_goes_on(house: House) -> None:
    ada, _ = await house.at(house.patient)
    async with held(house.database_url, LOCK_HISTORY) as lock:
        waiting = [asyncio.create_task(read(ada, house.conversation)) for _ in range(POOL)]
        await lock.is_wanted_by(POOL)
        for answer in await asyncio.gather(*(read(ada, house.conversation) for _ in range(5))):
            refused_for_now(answer)
        assert (await ada.http.patch("/api/v1/auth/profile", json={"bio": "Busy"})).status_code == 200
        assert await house.patient.health() == (200, "ok")

        await lock.release()
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * POOL
    assert (await read(ada, house.conversation)).status_code == 200


@pytest.mark.parametrize(
    ("ask", "statement"), [(rename, LOCK_CONVERSATION), (read, LOCK_HISTORY)], ids=["writing", "reading"]
)
async def test_what_met_the_deadline_leaves_its_connection_to_others(house: House, ask: Ask, statement: str) -> None:
    ada, _ = await house.at(house.hasty)
    before = await ada.history(house.conversation)
    locked = [UUID(house.conversation)] if "$1" in statement else []
    async with held(house.database_url, statement, *locked) as lock:
        for answer in await asyncio.gather(*(ask(ada, house.conversation) for _ in range(3 * POOL))):
            refused_for_now(answer)
        await lock.is_wanted_by(0)  # nobody waits for an answer any more

        seen: list[int] = []

        async def whole() -> bool:
            asked = [asyncio.create_task(ask(ada, house.conversation)) for _ in range(POOL)]
            while not all(task.done() for task in asked):
                seen.append(await lock.wanted())
                await asyncio.sleep(0.02)
            return POOL in seen

        await eventually(whole)
        assert max(seen) == POOL, "neither lost nor too many"
    assert await ada.history(house.conversation) == before
    assert (await ask(ada, house.conversation)).status_code == 200

"""SIGTERM: what was begun is finished, and whoever is connected goes on elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import websockets
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.notifications.mail_server import MailServer
from tests.support.locks import held
from tests.support.outside import PASSWORD, Person, Reader, Socket
from tests.support.processes import ApiProcess, Installation, PlazaProcess
from tests.support.servers import TestServers
from tests.support.waiting import eventually
from tests.support.wire import Wire

# Nothing is slow here but what a test holds up, and that for as long as it likes.
PATIENT = {
    "PLAZA_RATE_LIMIT_ENABLED": "false",
    "PLAZA_DATABASE_LOCK_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_STATEMENT_TIMEOUT_MS": "60000",
    "PLAZA_DATABASE_TRANSACTION_TIMEOUT_S": "60",
    "PLAZA_REALTIME_RESTART_SPREAD_MS": "200",
    "PLAZA_DRAIN_S": "60",
}
LOCK_CONVERSATION = "select from chat_conversation where id = $1 for update"


@dataclass
class House:
    installation: Installation
    database_url: str
    one: ApiProcess
    other: ApiProcess
    people: list[Person]  # at `one`
    there: list[Person]  # the same at `other`
    conversation: str

    async def lock_and_rename(self, stack: AsyncExitStack, *titles: str) -> tuple[Any, list[asyncio.Task[Any]]]:
        """A conversation that is locked, and requests through `one` that wait for it."""
        group = await self.people[0].conversation_with(*self.people[1:], title="Held up")
        lock = await stack.enter_async_context(held(self.database_url, LOCK_CONVERSATION, UUID(group)))
        path, http = f"/api/v1/chat/conversations/{group}", self.people[0].http
        renaming = [asyncio.create_task(http.patch(path, json={"title": title})) for title in titles]
        await lock.is_wanted_by(len(titles))
        return lock, renaming


@pytest.fixture(scope="module")
async def built(servers: TestServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    database_url = await servers.another_database("drain")
    async with Installation(tmp_path_factory.mktemp("drain"), database_url, redis_url, **PATIENT) as installation:
        one, other = await asyncio.gather(installation.api(), installation.api())
        people, conversation = await installation.people(6, one)
        there = [person.at(await installation.client(other)) for person in people]
        yield House(installation, database_url, one, other, people, there, conversation)


@pytest.fixture
async def house(built: House) -> House:
    """Both serve."""
    for api in (built.one, built.other):
        if not api.is_running:
            await api.start()
    return built


@dataclass
class Load:
    """People who write for as long as somebody serves; `answered` are the client_ids of what was."""

    conversation: str
    answered: set[str] = field(default_factory=set)
    is_over: bool = False

    async def by_rest(self, person: Person) -> None:
        """A request on a kept connection that was just closed was not taken; one that was is answered."""
        while not self.is_over:
            client_id = str(uuid4())
            try:
                await person.say(self.conversation, "by REST", client_id)
            except httpx.ConnectError:
                return
            except httpx.TransportError:
                continue
            self.answered.add(client_id)

    async def by_socket(self, line: Socket) -> None:
        """Eight frames at once, until it is closed."""
        with suppress(websockets.ConnectionClosed):
            while True:
                for _ in range(8):
                    fields = {"conversation_id": self.conversation, "client_id": str(uuid4()), "content": "by socket"}
                    await line.send("message.send", **fields)
                for _ in range(8):
                    await line.next("ack")
        told_to_come_back(*await line.closed())
        self.answered |= {frame["message"]["client_id"] for frame in line.seen if frame["type"] == "ack"}

    async def somewhere(self, *homes: Person) -> None:
        """What one does not answer is sent again to the next, under the same client_id."""
        addresses = cycle(homes)
        while not self.is_over:
            client_id = str(uuid4())
            while client_id not in self.answered:
                with suppress(httpx.TransportError):
                    await next(addresses).say(self.conversation, "somewhere", client_id)
                    self.answered.add(client_id)
            await asyncio.sleep(0.02)  # leaves room for who starts

    async def goes_on(self, more: int = 50) -> None:
        target = len(self.answered) + more

        async def check() -> bool:
            return len(self.answered) >= target

        await eventually(check)


def told_to_come_back(code: int, reason: str) -> None:
    assert code == 1012
    assert re.fullmatch(r"retry_ms=\d+", reason)


async def texts(person: Person, conversation: str) -> list[str]:
    return [message["client_id"] for message in await person.history(conversation) if message["type"] == "text"]


async def test_in_a_rolling_restart_readers_miss_nothing(house: House) -> None:
    homes = list(zip(house.people, house.there, strict=True))
    load = Load(house.conversation)
    ports = house.one.port, house.other.port
    async with Wire(*ports) as one_first, Wire(*reversed(ports)) as other_first, asyncio.TaskGroup() as group:
        wires = (one_first, one_first, other_first, other_first)
        readers = [
            Reader(house.conversation, person.plaza(wire.base_url))
            for person, wire in zip(house.people, wires, strict=False)
        ]
        listening = [group.create_task(reader.listen()) for reader in readers]
        for pair in homes[4:]:
            group.create_task(load.somewhere(*pair))
        for api in (house.one, house.other):
            await load.goes_on()
            assert await api.stop() == 0
            await load.goes_on()
            await api.start()
        await load.goes_on()
        load.is_over = True
        history = [
            (message["seq"], message["id"], message["content"])
            for message in await house.people[0].history(house.conversation)
        ]
        for reader in readers:
            await reader.reaches(history[-1][0])
        for task in listening:
            task.cancel()

    for reader in readers:
        assert [(each.seq, str(each.id), each.content) for each in reader.heard] == history
        assert reader.closes
        for close in reader.closes:
            told_to_come_back(*close)
    stored = await texts(house.people[0], house.conversation)
    assert len(stored) == len(set(stored))
    assert load.answered <= set(stored)


async def test_what_takes_longer_than_the_drain_is_told_to_come_back(house: House) -> None:
    hasty = await house.installation.api(PLAZA_DRAIN_S="1")
    person = house.people[0].at(await house.installation.client(hasty))
    async with AsyncExitStack() as stack:
        lock, _ = await house.lock_and_rename(stack)
        line = await stack.enter_async_context(person.socket())
        path = f"/api/v1/chat/conversations/{(await _newest(person))}"
        renaming = asyncio.create_task(person.http.patch(path, json={"title": "Too late"}))
        await lock.is_wanted_by(1)
        hasty.terminate()
        told_to_come_back(*await line.closed())
        answer = await renaming
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert answer.headers["Retry-After"]
        assert await hasty.ended() == 0


class SlowMailServer(MailServer):
    """`arrived` are the ids of mails as they come; none is taken before `released`."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[str] = []
        self.released = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as there
        (mail_id,) = re.findall(rb"^Message-ID: (\S+)", envelope.original_content or b"", re.MULTILINE)
        self.arrived.append(mail_id.decode())
        await self.released.wait()
        return await super().handle_DATA(server, session, envelope)


async def test_a_worker_hands_on_what_it_cannot_finish_and_finishes_the_rest(house: House) -> None:
    server = SlowMailServer()

    async def arrivals(worker: PlazaProcess, count: int) -> bool:
        assert worker.is_running, worker.log.read_text()[-4000:]
        return len(server.arrived) == count

    async with server.running():
        smtp = {"PLAZA_NOTIFICATIONS_SMTP_URL": f"smtp://127.0.0.1:{server.port}"}
        hasty = await house.installation.worker(PLAZA_DRAIN_S="1", **smtp)
        await register(house.people[0].http)
        await eventually(lambda: arrivals(hasty, 1))
        assert await hasty.stop() == 0

        patient = await house.installation.worker(**smtp)
        await eventually(lambda: arrivals(patient, 2))
        assert server.arrived[0] == server.arrived[1], "the same mail"
        patient.terminate()
        server.released.set()
        assert await patient.ended() == 0
        assert server.ids == server.arrived[:1], "taken once"
    async with held(house.database_url, "select") as database:
        states = await database.ask("select distinct state from core_job where handler = 'notifications.deliver'")
    assert states == ["done"]


async def test_requests_and_frames_under_way_are_finished(house: House) -> None:
    people = house.people
    load = Load(await people[0].conversation_with(*people[1:], title="Busy"))
    async with AsyncExitStack() as stack:
        lock, renaming = await house.lock_and_rename(stack, *"abcde")
        idle = [await stack.enter_async_context(person.socket()) for person in people]
        busy = [await stack.enter_async_context(person.socket()) for person in people[:2]]
        async with asyncio.TaskGroup() as group:
            for person in people[2:]:
                group.create_task(load.by_rest(person))
            for line in busy:
                group.create_task(load.by_socket(line))
            await load.goes_on()
            house.one.terminate()
            for line in idle:
                told_to_come_back(*await line.closed())
        assert house.one.is_running, "requests are under way"
        await lock.release()
        assert [answer.status_code for answer in await asyncio.gather(*renaming)] == [200] * 5
        assert await house.one.ended() == 0
    stored = await texts(house.there[0], load.conversation)
    assert len(stored) == len(set(stored))
    assert set(stored) == load.answered


async def register(http: httpx.AsyncClient) -> None:
    email = f"{uuid4().hex}@example.com"
    answer = await http.post("/api/v1/auth/registration", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 202


async def _newest(person: Person) -> str:
    return str((await person.http.get("/api/v1/chat/conversations")).json()["items"][0]["id"])

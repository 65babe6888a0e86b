"""Redis, PostgreSQL or both are killed under two API processes and a worker: what can go on does, what cannot is told 503, and all of it
heals by itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from plaza.app.migrations import upgrade
from plaza.dev.embedded import EmbeddedServers, throwaway_servers
from tests.support.outside import PASSWORD, Person, Reader, Socket, dialled, log_in, sign_up
from tests.support.processes import ApiProcess, Installation
from tests.support.routes import Answer, ask_every_route
from tests.support.waiting import eventually

# Wide enough for whoever asks every route; those of credentials stay as they are.
SETTINGS = {"PLAZA_RATE_LIMIT_ANONYMOUS": "10000/minute", "PLAZA_RATE_LIMIT_SIGNED_IN": "10000/minute"}
CREDENTIALS = r"POST /api/v1/auth/(login|token/refresh|registration|resend-email|verify-email|ws-ticket)"
# What lives in Redis alone, and what nobody may try without being counted.
BY_REDIS = {
    "GET /api/v1/auth/oauth/{provider}/authorize",
    "GET /api/v1/auth/oauth/{provider}/callback",
    "GET /api/v1/chat/conversations/{conversation_id}/presence",
    "GET /api/v1/chat/presence/{user_id}",
}
# What these answer is known without PostgreSQL: tickets and challenges are a matter of Redis, keys may be known already.
BY_REDIS_ALONE = {"POST /api/v1/auth/ws-ticket", "POST /api/v1/auth/passkeys/authentication-options"}
WITHOUT_BOTH = {
    "GET /health/live",
    "GET /.well-known/jwks.json",
    "GET /api/v1/auth/oauth/providers",
    "GET /api/v1/auth/api-keys/scopes",
}
WITHOUT_POSTGRES = WITHOUT_BOTH | BY_REDIS_ALONE
# These refuse whoever asks here before they ask PostgreSQL: no staff, no such provider, nothing that was ever signed, oneself.
REFUSED_AT_ONCE = re.compile(
    r"\w+ /api/v1/(admin/.*|chat/blocks|chat/reports(/\{report_id\}/resolve)?"
    r"|auth/(oauth/\{provider\}/\w+|google|apple|api-keys|passkeys|biometric/\w+|phone/[a-z-]+))"
)


@dataclass
class House:
    servers: EmbeddedServers
    installation: Installation
    here: ApiProcess
    there: ApiProcess
    ann: Person  # through `here`
    ben: Person  # through `there`
    conversation: str

    async def another_session(self) -> tuple[Person, Person]:
        """Ann's, through both processes."""
        http = await self.installation.client(self.here)
        person = await log_in(http, self.ann.email)
        return person, person.at(await self.installation.client(self.there))

    async def both_say(self, status: int, word: str) -> None:
        async def check() -> bool:
            return [await api.health() for api in (self.here, self.there)] == [(status, word)] * 2

        await eventually(check)

    async def reads(self, person: Person) -> list[Answer]:
        return await ask_every_route(person.http, self.values(), only="GET .*")

    def values(self) -> dict[str, Any]:
        """For every field of every route."""
        return {
            "email": self.ann.email,
            "q": "ok",
            "identifier": self.ann.email,
            "password": PASSWORD,
            "code": "123456",
            "refresh_token": self.ann.refresh_token,
            "display_name": "Ann",
            "name": "Ann's",
            "bio": "Here",
            "conversation_id": self.conversation,
            "kind": "group",
            "member_ids": [self.ben.id],
            "title": "Else",
            "user_id": self.ben.id,
            "user_ids": [self.ben.id],
            "role": "admin",
            "seq": 1,
            "status": "online",
            "content": "Lost",
            "client_id": str(uuid4()),
        }


@pytest.fixture(scope="module")
def own_servers() -> Iterator[EmbeddedServers]:
    with throwaway_servers() as servers:
        upgrade(servers.urls.database_url)
        yield servers


@pytest.fixture(scope="module")
async def house(own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with Installation(tmp_path_factory.mktemp("lost"), *own_servers.urls, **SETTINGS) as installation:
        here, there, _ = await asyncio.gather(installation.api(), installation.api(), installation.worker())
        ann = await sign_up(await installation.client(here), "ann@example.com", name="Ann")
        ben = await sign_up(await installation.client(there), "ben@example.com", name="Ben")
        conversation = await ann.conversation_with(ben, title="Through thick and thin")
        yield House(own_servers, installation, here, there, ann, ben, conversation)
        for log in installation.logs():
            assert '"level":"error"' not in log, "a lost server is nobody's mistake"
            assert "?ticket=" not in log


def refused_for_now(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE"), (answer.request.url, answer.text)
    assert int(answer.headers["Retry-After"]) >= 1


async def logs_out(person: Person, elsewhere: Person, *lines: Socket) -> None:
    """Through one process; both know it at once."""
    assert (await person.http.post("/api/v1/auth/logout")).status_code == 204
    for line in lines:
        assert (await line.closed())[0] == 4401
    for each in (person, elsewhere):
        assert (await each.http.get("/api/v1/auth/user")).status_code == 401


async def tells_the_other(house: House, line: Socket) -> None:
    """Through Redis and nothing else: who has read how far is no entry of the log."""
    heard = asyncio.create_task(line.next("read.updated", user_id=house.ann.id))
    path = f"/api/v1/chat/conversations/{house.conversation}"

    async def check() -> bool:
        for way, seq in (("unread", 0), ("read", 1)):
            assert (await house.ann.http.post(f"{path}/{way}", json={"seq": seq})).status_code == 200
        return heard.done()

    await eventually(check)


async def newcomer(house: House) -> None:
    """Credentials, jobs and mail work."""
    await sign_up(await house.installation.client(house.there), f"{uuid4().hex}@example.com")


def without_database(answers: list[Answer], free: set[str], *, has_token: bool) -> None:
    for answer in answers:
        if answer.route in free:
            assert answer.status in (200, 401, 503), answer
        elif answer.status == 429:
            assert "/auth/" in answer.route, "credentials alone are counted so closely"
        elif answer.status in (400, 403, 404, 422):
            assert REFUSED_AT_ONCE.fullmatch(answer.route), answer
        elif answer.needs_token and not has_token and answer.status != 503:
            assert answer.status == 401, answer
        elif answer.route.startswith("GET /health"):
            assert (answer.status, answer.response.json()["database"]) == (503, "down")
        else:
            refused_for_now(answer.response)


async def test_two_processes_behind_one_redis_are_one(house: House) -> None:
    leaving, leaving_there = await house.another_session()
    async with house.ben.socket() as far, leaving.socket() as near, leaving_there.socket() as ended:
        said = await house.ann.say(house.conversation, "from here")
        for line in (far, near, ended):
            assert (await line.next("message.new"))["message"]["id"] == said["id"]
        await tells_the_other(house, far)
        await logs_out(leaving, leaving_there, near, ended)


async def test_without_redis_people_talk_and_leave_but_do_not_come(house: House) -> None:
    ann, ben = house.ann, house.ben
    leaving, leaving_there = await house.another_session()
    async with ann.socket() as near, ben.socket() as far, leaving_there.socket() as ended:
        ticket = await ann.ticket()
        readings = {each.route: each for each in await house.reads(ann)}
        house.servers.valkey.kill()
        await house.both_say(200, "degraded")

        said = await ann.say(house.conversation, "Redis is gone")
        for line in (near, far):
            assert (await line.next("message.new", seq=said["seq"]))["message"]["id"] == said["id"]
        ref = await far.send(
            "message.send", conversation_id=house.conversation, client_id=str(uuid4()), content="so it is"
        )
        acked = (await far.next("ack", ref=ref))["message"]
        assert (await near.next("message.new", seq=acked["seq"]))["message"]["id"] == acked["id"]
        assert (await ben.history(house.conversation))[-1]["id"] == acked["id"]
        async with ann.plaza() as plaza, plaza.line() as ticketless:
            mine = await ticketless.send(house.conversation, "so we go on")
        assert (await far.next("message.new", seq=mine.seq))["message"]["id"] == str(mine.id)

        for answer in await house.reads(ann):
            if answer.route in BY_REDIS:
                refused_for_now(answer.response)
            else:
                assert answer.status == readings[answer.route].status, answer
                if answer.needs_token and answer.status == 200:
                    assert answer.response.headers["RateLimit"]
        for answer in await ask_every_route(ann.http, house.values(), only=CREDENTIALS):
            refused_for_now(answer.response)
        async with dialled(f"{ann.base_url}/ws?ticket={ticket}") as line:
            assert (await line.closed())[0] == 1012, "nobody knows whether the ticket is good: come again"
        async with ann.socket(by_ticket=False) as line:
            await logs_out(leaving, leaving_there, ended)
            assert await line.next("pong", ref=await line.send("ping"))

        await house.servers.valkey.start()
        await house.both_say(200, "ok")
        await tells_the_other(house, far)
        async with ann.socket():
            await newcomer(house)


async def test_without_postgres_everything_waits_for_it(house: House) -> None:
    ann, ben = house.ann, house.ben
    reader = Reader(house.conversation, ben.plaza())
    listening = asyncio.create_task(reader.listen())
    leaving, leaving_there = await house.another_session()
    before = await ann.say(house.conversation, "PostgreSQL is about to go")
    async with ann.socket() as idle, leaving.socket() as ended:
        house.servers.postgres.kill()
        await house.both_say(503, "down")
        house.there.kill()
        await house.there.start()  # knows neither keys nor sessions
        await everybody_is_told(house, WITHOUT_POSTGRES)

        await house.servers.postgres.start()
        await house.both_say(200, "ok")
        after = await leaving_there.say(house.conversation, "PostgreSQL is back")
        assert after["seq"] == before["seq"] + 1
        assert (await idle.next("message.new", seq=after["seq"]))["message"]["id"] == after["id"]
        await logs_out(leaving_there, leaving, ended)
        await newcomer(house)
    await reader.reaches(after["seq"])
    listening.cancel()
    assert [str(each.id) for each in reader.heard] == [each["id"] for each in await ann.history(house.conversation)]


async def test_without_both_nothing_breaks(house: House) -> None:
    async with house.ben.socket() as far:
        house.servers.postgres.kill()
        house.servers.valkey.kill()
        await house.both_say(503, "down")
        await everybody_is_told(house, WITHOUT_BOTH)
        await asyncio.gather(house.servers.postgres.start(), house.servers.valkey.start())
        await house.both_say(200, "ok")
        said = await house.ann.say(house.conversation, "both are back")
        await far.next("message.new", seq=said["seq"])
        await tells_the_other(house, far)
        await newcomer(house)


async def everybody_is_told(house: House, free: set[str]) -> None:
    for api, person in ((house.here, house.ann), (house.there, house.ben)):
        without_database(await ask_every_route(person.http, house.values()), free, has_token=True)
        nobody = await house.installation.client(api)
        without_database(await ask_every_route(nobody, house.values()), free, has_token=False)

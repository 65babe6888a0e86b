"""More passwords than can be looked at: whoever is one too many is turned away before anything is spent on them; nobody else feels it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import REGISTRY

from plaza.identity.schemas import IdentitySettings
from plaza.identity.service import PasswordHasher
from tests.identity.builders import PASSWORD, a_person
from tests.support.callers import callers
from tests.support.outside import PATIENCE_S
from tests.support.stage import Stage
from tests.support.statements import statements
from tests.support.waiting import eventually

AUTH = "/api/v1/auth"
ADA = "ada@example.com"
HASHING = {
    "/login": {"identifier": ADA, "password": PASSWORD},
    "/registration": {"email": "new@example.com", "password": PASSWORD},
    "/password/reset/confirm": {"token": "x" * 40, "password": PASSWORD},
}


@pytest.fixture(params=["_free", "_places"])
def full(plaza: Stage, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """As many passwords wait for a thread as may, or as many requests are under way that will have one looked at."""
    with monkeypatch.context() as patched:
        patched.setattr(plaza[PasswordHasher], request.param, 0)
        yield


@pytest.mark.parametrize("path", HASHING)
@pytest.mark.usefixtures("full")
async def test_turned_away_at_once(plaza: Stage, client: httpx.AsyncClient, path: str) -> None:
    with statements(plaza.runtime.db) as sent:
        for body in (HASHING[path], {}):  # nor is it read
            answer = await client.post(AUTH + path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
            assert int(answer.headers["Retry-After"]) >= 1
    assert sent == []


async def test_who_sends_slowly_keeps_no_place(
    plaza: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_person(plaza)
    monkeypatch.setattr(plaza[PasswordHasher], "_places", 1)
    server = urlsplit(plaza.base_url)
    before = REGISTRY.get_sample_value("plaza_http_requests_in_flight") or 0

    async def is_under_way() -> bool:
        return REGISTRY.get_sample_value("plaza_http_requests_in_flight") == before + 1

    _, slow = await asyncio.open_connection(server.hostname, server.port)
    try:
        slow.write(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: plaza\r\nContent-Type: application/json\r\n")
        slow.write(b"Content-Length: 50\r\n\r\n{")
        await eventually(is_under_way)
        assert (await client.post(f"{AUTH}/login", json=HASHING["/login"])).status_code == 200
    finally:
        slow.close()
        await slow.wait_closed()


async def test_everybody_else_goes_on(plaza: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await a_person(plaza)
    monkeypatch.setattr(plaza[PasswordHasher], "_places", 0)
    assert (await client.post(f"{AUTH}/login", json=HASHING["/login"])).status_code == 429
    renewed = await client.post(f"{AUTH}/token/refresh", json={"refresh_token": person.refresh_token})
    assert renewed.status_code == 200
    client.headers["Authorization"] = f"Bearer {renewed.json()['access_token']}"
    assert (await client.get(f"{AUTH}/user")).status_code == 200


async def test_a_place_is_free_again_whatever_became_of_the_request(
    plaza: Stage, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_person(plaza)
    monkeypatch.setattr(plaza[PasswordHasher], "_places", 1)
    wrong = {**HASHING["/login"], "password": "not the password"}
    for body, status in ((wrong, 401), ({}, 400), (HASHING["/login"], 200), (HASHING["/login"], 200)):
        assert (await client.post(f"{AUTH}/login", json=body)).status_code == status
    together = await asyncio.gather(*(client.post(f"{AUTH}/login", json=HASHING["/login"]) for _ in range(8)))
    assert {each.status_code for each in together} <= {200, 429}
    assert plaza[PasswordHasher]._places == 1
    await all_turns_are_free(plaza[PasswordHasher])


async def test_who_reads_slowly_keeps_neither_place_nor_turn(plaza: Stage) -> None:
    async with callers(plaza) as api:
        hasher, begins, goes_on = api.runtime.parts[PasswordHasher], asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(_: object) -> None:
            begins.set()
            await goes_on.wait()

        headers = [(b"host", b"plaza.test"), (b"content-type", b"application/json"), (b"content-length", b"2")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"{AUTH}/registration",
            "raw_path": f"{AUTH}/registration".encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("203.0.113.9", 1234),
            "scheme": "http",
            "server": ("plaza.test", 80),
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
        }
        asked = asyncio.create_task(api.application(scope, receive, send))
        await begins.wait()
        assert await waits(hasher, 0)
        await all_turns_are_free(hasher)
        goes_on.set()
        await asked


async def test_those_who_wait_for_their_turn_ask_the_database_nothing(plaza: Stage, client: httpx.AsyncClient) -> None:
    await a_person(plaza)
    hasher = plaza[PasswordHasher]
    async with every_turn(hasher):
        with statements(plaza.runtime.db) as sent:
            waiting = [asyncio.create_task(client.post(f"{AUTH}/login", json=HASHING["/login"])) for _ in range(3)]
            await eventually(lambda: waits(hasher, 3))
            assert sent == []
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [200] * 3
    await eventually(lambda: waits(hasher, 0))


async def test_who_is_refused_anyway_waits_for_no_turn(plaza: Stage) -> None:
    """Else they would keep the places of those who are not."""
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true", PLAZA_RATE_LIMIT_ANONYMOUS="1/day") as api:
        one = api.at()
        assert (await one.post(f"{AUTH}/login", json={})).status_code == 400
        async with every_turn(api.runtime.parts[PasswordHasher]):
            assert (await one.post(f"{AUTH}/login", json=HASHING["/login"])).status_code == 429


@asynccontextmanager
async def every_turn(hasher: PasswordHasher) -> AsyncIterator[None]:
    """All of them are somebody else's."""
    async with AsyncExitStack() as turns:
        while not hasher.turn().locked():
            await turns.enter_async_context(hasher.turn())
        yield


async def all_turns_are_free(hasher: PasswordHasher) -> None:
    async with AsyncExitStack() as turns:
        for _ in range(6):  # three for each of the two threads
            await asyncio.wait_for(turns.enter_async_context(hasher.turn()), PATIENCE_S)
        assert hasher.turn().locked()


async def waits(hasher: PasswordHasher, requests: int) -> bool:
    settings = IdentitySettings()
    return hasher._places == settings.hash_threads + settings.hash_queue - requests

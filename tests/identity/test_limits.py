"""Limits of the routes, as a client meets them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.identity.builders import PASSWORD, a_person
from tests.support.callers import Callers, callers
from tests.support.stage import Stage

AUTH = "/api/v1/auth"


@pytest.fixture
async def limited(plaza: Stage) -> AsyncIterator[Callers]:
    async with callers(plaza, PLAZA_RATE_LIMIT_ENABLED="true") as limited:
        yield limited


async def statuses(client: httpx.AsyncClient, path: str, body: dict[str, str], times: int) -> list[int]:
    return [(await client.post(f"{AUTH}/{path}", json=body)).status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("path", "body", "status", "limit"),
    [
        ("token/refresh", {"refresh_token": "x"}, 401, 10),
        ("verify-email", {"email": "nobody@example.com", "code": "123456"}, 422, 10),
        ("resend-email", {"email": "nobody@example.com"}, 202, 30),
    ],
)
async def test_per_address_of_the_caller(
    limited: Callers, path: str, body: dict[str, str], status: int, limit: int
) -> None:
    async with limited.at() as client:
        assert await statuses(client, path, body, limit) == [status] * limit
        refused = await client.post(f"{AUTH}/{path}", json=body)
        assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    async with limited.at("203.0.113.2") as client:
        assert await statuses(client, path, body, 1) == [status]


async def test_login_ten_times_a_minute_per_address_of_the_caller(limited: Callers) -> None:
    async with limited.at() as client:
        told = [
            (
                await client.post(f"{AUTH}/login", json={"identifier": f"{n}@example.com", "password": "wrong lantern"})
            ).status_code
            for n in range(11)
        ]
    assert told == [401] * 10 + [429]


async def test_an_owner_of_many_addresses_is_one_caller(limited: Callers) -> None:
    """IPv6: a /64 is one household."""
    told = []
    for n in range(11):
        async with limited.at(f"2001:db8::{n:x}") as client:
            told += await statuses(client, "token/refresh", {"refresh_token": "x"}, 1)
    assert told == [401] * 10 + [429]


async def test_thirty_lookups_an_hour_per_person(plaza: Stage, limited: Callers) -> None:
    ada = await a_person(plaza)
    grace = await a_person(plaza, "grace@example.com", name="Grace")
    async with limited.at(token=ada.pair.access_token) as client:
        assert await statuses(client, "users/lookup", {"username": "nobody"}, 31) == [404] * 30 + [429]
    async with limited.at(token=grace.pair.access_token) as client:
        assert await statuses(client, "users/lookup", {"username": "nobody"}, 1) == [404]


async def test_without_redis_credentials_are_refused_and_the_rest_goes_on(plaza: Stage) -> None:
    person = await a_person(plaza)
    lost = {"REDIS_URL": "unix:///nonexistent/valkey.sock", "PLAZA_RATE_LIMIT_ENABLED": "true"}
    async with callers(plaza, **lost) as limited, limited.at(token=person.pair.access_token) as client:
        for path, body in (
            ("login", {"identifier": person.email, "password": PASSWORD}),
            ("token/refresh", {"refresh_token": person.refresh_token}),
            ("verify-email", {"email": person.email, "code": "123456"}),
            ("registration", {"email": "new@example.com", "password": PASSWORD}),
            ("resend-email", {"email": person.email}),
            ("ws-ticket", {}),
        ):
            answer = await client.post(f"{AUTH}/{path}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE"), path
        assert (await client.get(f"{AUTH}/user")).status_code == 200
        assert (await client.get(f"{AUTH}/sessions")).status_code == 200
        assert (await client.post(f"{AUTH}/logout")).status_code == 204
        assert (await client.get(f"{AUTH}/user")).status_code == 401

"""Limits as callers meet them, from addresses of the test's choice. Windows of a day: no minute ends in the middle of a test."""

from __future__ import annotations

import re

import httpx
import pytest

from plaza.core.origin import network_of
from tests.support.callers import callers
from tests.support.people import member
from tests.support.stage import Stage

KEYS = "/.well-known/jwks.json"
DAY = 86_400
LIMITS = {
    "PLAZA_RATE_LIMIT_ENABLED": "true",
    "PLAZA_RATE_LIMIT_ANONYMOUS": "3/day",
    "PLAZA_RATE_LIMIT_SIGNED_IN": "2/day",
}


async def asked(client: httpx.AsyncClient, times: int, path: str = KEYS) -> list[int]:
    return [(await client.get(path)).status_code for _ in range(times)]


def told(answer: httpx.Response) -> tuple[int, int, int, int]:
    """Quota and window of the policy, what remains of it and for how long, in seconds."""
    policy = re.fullmatch(r'"default";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    now = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert policy is not None
    assert now is not None
    return int(policy[1]), int(policy[2]), int(now[1]), int(now[2])


async def test_every_answer_tells_what_remains(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        for remaining in (2, 1, 0):
            quota, window_s, left, reset_s = told(await api.at().get(KEYS))
            assert (quota, window_s, left) == (3, DAY, remaining)
            assert 1 <= reset_s <= DAY


async def test_beyond_the_limit_a_problem_tells_when_to_come_back(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        assert await asked(api.at(), 3) == [200] * 3
        refused = await api.at().get(KEYS, headers={"X-Request-ID": "too-often"})
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    problem = refused.json()
    assert (problem["code"], problem["status"]) == ("RATE_LIMITED", 429)
    assert problem["correlation_id"] == refused.headers["x-request-id"] == "too-often"
    assert 1 <= int(refused.headers["Retry-After"]) <= DAY
    quota, window_s, left, reset_s = told(refused)
    assert (quota, window_s, left) == (3, DAY, 0)
    assert abs(reset_s - int(refused.headers["Retry-After"])) <= 1


async def test_a_tighter_limit_of_a_credential_tells_of_its_own_window(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS | {"PLAZA_RATE_LIMIT_ANONYMOUS": "1000/day"}) as api:
        for _ in range(11):
            refused = await api.at().post(
                "/api/v1/auth/login", json={"identifier": "ada@example.com", "password": "x" * 12}
            )
    assert refused.status_code == 429
    assert told(refused)[:3] == (10, 60, 0)


async def test_nobody_in_particular_is_counted_by_address(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        assert await asked(api.at("203.0.113.1"), 4) == [200, 200, 200, 429]
        assert await asked(api.at("::ffff:203.0.113.1"), 1) == [429], "the same address, as a dual-stack server sees it"
        assert await asked(api.at("::ffff:203.0.113.2"), 1) == [200]
        households = ["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::", "2001:db8:0:1::1"]
        assert [(await asked(api.at(ip), 1))[0] for ip in households] == [200, 200, 200, 429]
        assert await asked(api.at("2001:db8:0:2::1"), 1) == [200]


async def test_the_address_is_the_callers_and_not_the_proxys(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        statuses = [
            (await api.at("127.0.0.1").get(KEYS, headers={"X-Forwarded-For": f"203.0.113.{n}"})).status_code
            for n in (1, 1, 1, 1, 2)
        ]
        assert statuses == [200, 200, 200, 429, 200]


async def test_somebody_is_counted_wherever_they_call_from(plaza: Stage) -> None:
    ada, grace = await member(plaza, "ada"), await member(plaza, "grace")
    me = "/api/v1/auth/user"
    async with callers(plaza, **LIMITS) as api:
        assert told(await api.at("203.0.113.1", ada.token).get(me))[:3] == (2, DAY, 1)
        assert await asked(api.at("203.0.113.2", ada.token), 2, me) == [200, 429]
        assert await asked(api.at("203.0.113.1", grace.token), 1, me) == [200]
        assert await asked(api.at("203.0.113.1"), 3) == [200] * 3, "those who are signed in use up nobody else's"


async def test_a_token_that_is_no_good_makes_nobody_special(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        tries = [(await asked(api.at(token=f"made-up-{n}"), 1, "/api/v1/auth/user"))[0] for n in range(4)]
    assert tries == [401, 401, 401, 429]


async def test_health_and_assets_are_exempt(plaza: Stage) -> None:
    async with callers(plaza, **LIMITS) as api:
        assert await asked(api.at(), 4) == [200, 200, 200, 429]
        for path in ("/health", "/health/live", "/health/ready", "/", "/assets/app.js", "/schema/openapi.json"):
            answer = await api.at().get(path)
            assert answer.status_code == 200, path
            assert "RateLimit" not in answer.headers
        assert await asked(api.at("127.0.0.1"), 5, "/metrics") == [200] * 5


async def test_a_routes_own_limit_is_the_one_that_is_told(plaza: Stage) -> None:
    """`lookup`: 30 an hour, counted in this process like the ordinary ones."""
    ada = await member(plaza, "ada")
    roomy = {**LIMITS, "PLAZA_RATE_LIMIT_SIGNED_IN": "1000/day"}
    async with callers(plaza, **roomy) as api:
        client = api.at(token=ada.token)
        looked_up = await client.post("/api/v1/auth/users/lookup", json={"username": "nobody"})
        assert told(looked_up)[:3] == (30, 3600, 29)
        assert told(await client.get("/api/v1/auth/user"))[:3] == (1000, DAY, 998)


async def test_a_credential_route_counts_against_both_limits(plaza: Stage) -> None:
    body = {"identifier": "nobody@example.com", "password": "wrong lantern"}
    async with callers(plaza, **LIMITS) as api:
        logins = [(await api.at().post("/api/v1/auth/login", json=body)).status_code for _ in range(4)]
        assert logins == [401, 401, 401, 429]
        assert await asked(api.at(), 1) == [429]


async def test_two_processes_share_a_credentials_limit(plaza: Stage) -> None:
    body = {"refresh_token": "made-up"}
    roomy = {**LIMITS, "PLAZA_RATE_LIMIT_ANONYMOUS": "1000/day"}
    async with callers(plaza, **roomy) as one, callers(plaza, **roomy) as other:
        tries = [
            (await api.at().post("/api/v1/auth/token/refresh", json=body)).status_code
            for api in (one, other) * 5 + (one, other)
        ]
    assert tries == [401] * 10 + [429] * 2


async def test_switched_off_they_neither_refuse_nor_speak(plaza: Stage) -> None:
    async with callers(plaza, **{**LIMITS, "PLAZA_RATE_LIMIT_ENABLED": "false"}) as api:
        assert await asked(api.at(), 8) == [200] * 8
        assert "RateLimit" not in (await api.at().get(KEYS)).headers


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_an_ipv6_caller_owns_its_64(ip: str, network: str) -> None:
    assert network_of(ip) == network

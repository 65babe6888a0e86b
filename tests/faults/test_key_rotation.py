"""`plaza keys rotate` under load: two processes sign and verify each other's tokens all the while, and nobody is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import cycle

import httpx
import pytest

from tests.support.command_line import CommandLine
from tests.support.outside import PASSWORD
from tests.support.processes import ApiProcess, Installation
from tests.support.servers import TestServers
from tests.support.tls import TLS
from tests.support.waiting import PATIENCE_S, eventually

PEOPLE, ROTATIONS, BETWEEN = 3, 3, 10
SETTINGS = {"PLAZA_RATE_LIMIT_ENABLED": "false"}


class Visitor:
    """Somebody whose tokens are renewed at one process and used at the other, over and over."""

    def __init__(self, email: str, homes: list[httpx.AsyncClient], first: httpx.Response) -> None:
        self.email, self.homes, self.pair = email, homes, first.json()
        self.used: list[str] = [self.pair["access_token"]]
        self.refused: list[httpx.Response] = []

    async def visit(self) -> None:
        for one, other in cycle([self.homes, self.homes[::-1]]):
            renewed = await one.post("/api/v1/auth/token/refresh", json={"refresh_token": self.pair["refresh_token"]})
            if renewed.status_code != 200:
                self.refused.append(renewed)
                return
            self.pair = renewed.json()
            self.used.append(self.pair["access_token"])
            for home in (other, one):
                answer = await home.get("/api/v1/auth/user", headers=bearer(self.used[-1]))
                if answer.status_code != 200:
                    self.refused.append(answer)
            await asyncio.sleep(0.05)  # leaves room for who rotates

    async def goes_on(self) -> None:
        target = len(self.used) + BETWEEN

        async def check() -> bool:
            return bool(self.refused) or len(self.used) >= target

        await eventually(check)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def installation(
    servers: TestServers, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    database_url = await servers.another_database("rotation")
    async with Installation(tmp_path_factory.mktemp("rotation"), database_url, redis_url, **SETTINGS) as made:
        yield made


async def kids(api: ApiProcess) -> list[str]:
    async with httpx.AsyncClient(base_url=api.base_url, timeout=PATIENCE_S, verify=TLS) as http:
        return [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]]


async def test_nobody_is_refused_while_keys_rotate(installation: Installation) -> None:
    apis = await asyncio.gather(installation.api(), installation.api())
    homes = [await installation.client(api) for api in apis]
    plaza = CommandLine(installation.folder, **installation.variables)
    visitors = []
    for n in range(PEOPLE):
        email = f"visitor{n}@example.com"
        assert (await plaza("users", "create", "--email", email, "--password", PASSWORD)).status == 0
        login = await homes[n % 2].post("/api/v1/auth/login", json={"identifier": email, "password": PASSWORD})
        assert login.status_code == 200
        visitors.append(Visitor(email, homes, login))
    [first] = await kids(apis[0])
    visiting = [asyncio.create_task(each.visit()) for each in visitors]
    made = [first]
    for _ in range(ROTATIONS):
        await asyncio.gather(*(each.goes_on() for each in visitors))
        rotated = await plaza("keys", "rotate")
        assert rotated.status == 0, rotated.err
        made.append(rotated.out.strip())
    await asyncio.gather(*(each.goes_on() for each in visitors))
    for task in visiting:
        task.cancel()
    assert [each.text for visitor in visitors for each in visitor.refused] == []
    for api in apis:
        assert (await kids(api))[0] == made[-1]
        assert set(await kids(api)) == set(made)
    for visitor in visitors:  # tokens of every key, the first one's too
        for token in visitor.used[:: BETWEEN // 2]:
            assert (await homes[0].get("/api/v1/auth/user", headers=bearer(token))).status_code == 200

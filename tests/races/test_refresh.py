"""Parallel tabs and lost answers, through two processes at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from tests.identity.builders import a_person
from tests.support.servers import TestServers
from tests.support.stage import Stage

REFRESH = "/api/v1/auth/token/refresh"


@pytest.fixture
async def other(plaza: Stage, servers: TestServers) -> AsyncIterator[Stage]:
    async with Stage(servers.database_url, servers.redis_url, worker=False) as stage:
        yield stage


async def answers(tokens: list[str], *clients: httpx.AsyncClient) -> list[httpx.Response]:
    asked = [client.post(REFRESH, json={"refresh_token": token}) for token in tokens for client in clients]
    return await asyncio.gather(*asked)


async def rows(plaza: Stage) -> tuple[int, list[str | None]]:
    """How many refresh tokens there are, and why each session has ended."""
    async with plaza.runtime.db.reader.connect() as connection:
        tokens = (await connection.execute(text("select count(*) from identity_refresh_token"))).scalar_one()
        reasons = (await connection.execute(text("select revoked_reason from identity_session"))).scalars()
        return int(tokens), list(reasons)


async def test_ten_refreshes_of_one_token_give_one_pair(plaza: Stage, other: Stage) -> None:
    person = await a_person(plaza)
    clients = [stage.client() for stage in (plaza, other) for _ in range(5)]
    given = await answers([person.refresh_token], *clients)
    assert Counter(each.status_code for each in given) == {200: 10}
    assert len({each.json()["refresh_token"] for each in given}) == 1
    assert await rows(plaza) == (2, [None])
    [again] = await answers([given[0].json()["refresh_token"]], clients[0])
    assert again.status_code == 200
    await other.close_clients()


async def test_a_token_and_its_successor_at_once_never_leave_two_families(plaza: Stage, other: Stage) -> None:
    """Either the successor was used first, and the old one gives a thief away, or the old one was asked again in time."""
    person = await a_person(plaza)
    clients = [stage.client() for stage in (plaza, other) for _ in range(4)]
    [first] = await answers([person.refresh_token], clients[0])
    successor = first.json()["refresh_token"]
    given = await answers([person.refresh_token, successor], *clients)
    assert {each.status_code for each in given} <= {200, 401}
    count, reasons = await rows(plaza)
    assert count == 3
    later = {each.json()["refresh_token"] for each in given if each.status_code == 200} - {successor}
    assert len(later) <= 1
    if any(each.status_code == 401 for each in given):
        assert reasons == ["refresh_reused"]
        assert {each.status_code for each in await answers([successor, *later], clients[0])} == {401}
    await other.close_clients()

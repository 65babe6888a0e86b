"""A whole installation under load while its processes are killed and its connections cut: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.support.chaos import LASTING, TROUBLE, Chaos
from tests.support.outside import PASSWORD
from tests.support.supervised import Supervised
from tests.support.waiting import eventually

RAGES_S = 30


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Supervised]:
    if not Path("/proc/self/stat").exists():
        pytest.skip("finding children needs /proc")
    made = Supervised(tmp_path, **LASTING)
    try:
        await eventually(made.is_healthy)
        yield made
    finally:
        await asyncio.to_thread(made.stop)


async def test_every_acknowledged_message_and_mail_survives_once(installation: Supervised) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    async with Chaos(installation, seed) as chaos, asyncio.TaskGroup() as group:
        registrar = await chaos.client()
        registered: list[str] = []
        registering = group.create_task(register(registrar, registered))
        await chaos.rage(RAGES_S)
        registering.cancel()
        await chaos.check()
        print(dict(chaos.counts))
        assert min(chaos.counts[name] for name in chaos.victims) > 0
        await check_mails(registered, registrar)


async def register(http: httpx.AsyncClient, registered: list[str]) -> None:
    """Until cancelled."""
    while True:
        email = f"{uuid4().hex}@example.com"
        with contextlib.suppress(*TROUBLE):
            answer = await http.post("/api/v1/auth/registration", json={"email": email, "password": PASSWORD})
            assert answer.status_code in (202, 429, 503), answer.text
            if answer.status_code == 202:
                registered.append(email)
        await asyncio.sleep(0.1)


async def check_mails(registered: list[str], http: httpx.AsyncClient) -> None:
    async def sent() -> Counter[str]:
        items = (await http.get("/dev/outbox", headers={"Accept": "application/json"})).json()["items"]
        return Counter(item["to"] for item in items)

    async def all_sent() -> bool:
        return set(registered) <= (await sent()).keys()

    assert registered
    await eventually(all_sent)
    counted = await sent()
    assert {counted[email] for email in registered} == {1}

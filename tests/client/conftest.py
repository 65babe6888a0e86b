from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from plaza.client import Plaza
from tests.client.somebody import Meet, Somebody
from tests.support.people import member
from tests.support.stage import Stage
from tests.support.wire import Wire


@pytest.fixture
async def wire(plaza: Stage) -> AsyncIterator[Wire]:
    """Between grace and the API."""
    async with Wire(plaza.port) as wire:
        yield wire


@pytest.fixture
async def meet(plaza: Stage) -> AsyncIterator[Meet]:
    """`await meet("ada")`: somebody with a session and a client."""
    async with AsyncExitStack() as stack:

        async def meet(name: str, base_url: str | None = None, *, patience_s: float = 30) -> Somebody:
            person = await member(plaza, name)
            client = Plaza(base_url or plaza.base_url, access_token=person.token, patience_s=patience_s)
            return Somebody(person.id, await stack.enter_async_context(client), person.actor)

        yield meet


@pytest.fixture
async def ada(meet: Meet) -> Somebody:
    return await meet("ada")


@pytest.fixture
async def grace(meet: Meet, wire: Wire) -> Somebody:
    return await meet("grace", wire.base_url)

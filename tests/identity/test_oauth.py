"""Logging in at an outside provider: the way there and back, and who is let in at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.identity.outside import World, world_of
from tests.support.stage import Stage


@pytest.fixture
async def world(plaza: Stage) -> AsyncIterator[World]:
    async with world_of(plaza) as world:
        yield world


@pytest.mark.parametrize("provider", ["google", "apple", "github"])
async def test_a_stranger_is_let_in_with_an_account_of_their_own(world: World, provider: str) -> None:
    answer = await world.browser().log_in(provider)
    assert answer.status_code == 200, answer.text
    user = answer.json()["user"]
    assert (user["email"], user["email_verified"], user["status"]) == ("ada@example.com", True, "active")
    assert user["display_name"] == "Ada Lovelace"

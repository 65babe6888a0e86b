"""Waiting for what happens, instead of for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_S = 0.02


async def eventually(check: Callable[[], Awaitable[object]], *, limit_s: float = 60) -> None:
    """Until `check` answers something true. The limit only ends a run that would never end."""
    async with asyncio.timeout(limit_s):
        while not await check():
            await asyncio.sleep(PAUSE_S)

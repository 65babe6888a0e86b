"""Waiting for what happens, instead of for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_S = 0.02
PATIENCE_S = 180.0  # for what must come, on a machine however busy: it only ends a run that would never end


async def eventually(check: Callable[[], Awaitable[object]], *, limit_s: float = PATIENCE_S) -> None:
    """Until `check` answers something true."""
    async with asyncio.timeout(limit_s):
        while not await check():
            await asyncio.sleep(PAUSE_S)

"""Callers from any address: the application as uvicorn wraps it, over no network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from plaza.app.runtime import Runtime
from plaza.app.server import Server
from tests.support.stage import Stage, configuration_for
from tests.support.tls import TLS


class Callers:
    """Of an API of its own over the stage's servers and clock, with `variables` for settings; nothing runs in its background."""

    def __init__(self, stage: Stage, **variables: str) -> None:
        plaza = stage.configuration.plaza
        configuration = configuration_for(plaza.database_url, plaza.redis_url, **variables)
        self.runtime = Runtime(configuration, "callers", clock=stage.clock)
        config = Server(self.runtime).config
        config.load()
        self._transport = config.loaded_app

    def at(self, ip: str = "203.0.113.1", token: str | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=TLS,
            transport=httpx.ASGITransport(app=self._transport, client=(ip, 1234)),
            base_url="http://plaza.test",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


@asynccontextmanager
async def callers(stage: Stage, **variables: str) -> AsyncIterator[Callers]:
    made = Callers(stage, **variables)
    try:
        yield made
    finally:
        await made.runtime.close()

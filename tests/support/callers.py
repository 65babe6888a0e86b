"""Callers from any address: the application as uvicorn wraps it, over no network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from plaza.app.runtime import Runtime
from plaza.app.server import Server
from plaza.core.composition import Parts
from plaza.core.crypto import Vault
from tests.support.stage import Stage, configuration_for
from tests.support.tls import TLS


class Callers:
    """Of an API of its own over the stage's servers and clock, with `variables` for settings; nothing runs in its background."""

    def __init__(self, runtime: Runtime, routes: Routes) -> None:
        self.runtime = runtime
        self.application = routes.transport

    def at(self, ip: str = "203.0.113.1", token: str | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            verify=TLS,
            transport=httpx.ASGITransport(app=self.application, client=(ip, 1234)),
            base_url="http://plaza.test",
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )


class Routes:
    """What Litestar makes of the controllers takes half a second, and depends on the settings only: it is made once for each, and every

    test has parts of its own behind it. `runtime` is whose they are at present.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.configuration = runtime.configuration
        self.runtime = runtime
        self.parts = _PresentParts(self)
        given: Any = self  # of a runtime the application looks at the parts and the configuration
        config = Server(given).config
        config.load()
        self.transport = config.loaded_app


class _PresentParts(Parts):
    def __init__(self, routes: Routes) -> None:
        made = routes.runtime.parts
        super().__init__({kind: self._present(routes, kind, part) for kind, part in made._parts.items()}, made.contexts)

    @staticmethod
    def _present(routes: Routes, kind: Any, part: Any) -> Any:
        return part if isinstance(part, msgspec.Struct | Vault) else _Present(routes, kind)


class _Present:
    """The part of whichever runtime is behind the routes."""

    __slots__ = ("_kind", "_routes")

    def __init__(self, routes: Routes, kind: Any) -> None:
        self._routes, self._kind = routes, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._routes.runtime.parts[self._kind], name)


_Settings = tuple[str, str, frozenset[tuple[str, str]]]
_unused: dict[_Settings, Routes] = {}
_KEPT = 6


@asynccontextmanager
async def callers(stage: Stage, **variables: str) -> AsyncIterator[Callers]:
    plaza = stage.configuration.plaza
    configuration = configuration_for(plaza.database_url, plaza.redis_url, **variables)
    runtime = Runtime(configuration, "callers", clock=stage.clock)
    settings = (plaza.database_url, plaza.redis_url, frozenset(variables.items()))
    if (routes := _unused.pop(settings, None)) is None:
        routes = Routes(runtime)
    routes.runtime = runtime
    try:
        yield Callers(runtime, routes)
    finally:
        await runtime.close()
        _unused[settings] = routes
        if len(_unused) > _KEPT:
            del _unused[next(iter(_unused))]

"""The API: an ASGI application over a Runtime, and the uvicorn server that drains before it stops."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Response, get
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig

from plaza import __version__
from plaza.admin import admin_site
from plaza.app.configuration import Configuration
from plaza.app.registry import CONTEXTS
from plaza.app.runtime import Runtime
from plaza.app.site import DevelopmentController, SiteController
from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.http import ANONYMOUS, Authenticator, bind, openapi
from plaza.core.http.authentication import Authentication, provide_actor, provide_caller
from plaza.core.http.authorization import Authorization
from plaza.core.http.cookies import OwnPages
from plaza.core.http.edge import Edge
from plaza.core.http.health import HealthController
from plaza.core.http.idempotency import Idempotency
from plaza.core.http.limits import UNLIMITED, RequestLimits
from plaza.core.http.openapi import DeclaredErrors
from plaza.core.http.problems import answer_problem
from plaza.core.http.request import MAX_BODY, PlazaRequest, provide_client, provide_page
from plaza.core.http.storage import StorageController
from plaza.core.http.transport import JoinedHttp
from plaza.core.http.witnessing import Witnessing
from plaza.core.ratelimit import RateLimits
from plaza.core.realtime import HEARTBEAT_S, DirectWebSocket, asyncapi
from plaza.core.storage import LocalStorage
from plaza.core.telemetry.tracing import traced
from plaza.core.witness import Witness
from plaza.identity import IdentitySettings

# What a script of another origin may read of an answer.
_FOR_SCRIPTS = ["ETag", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"]


def litestar(runtime: Runtime) -> Litestar:
    """The routes of every context, and the documents of them."""
    parts, plaza = runtime.parts, runtime.configuration.plaza
    controllers = [bind(each, parts, "app") for each in (SiteController, HealthController)]
    controllers += [bind(each, parts, context.name) for context in CONTEXTS for each in context.controllers]
    if LocalStorage in parts:
        controllers.append(bind(StorageController, parts, "app"))
    if not plaza.is_production:
        controllers.append(bind(DevelopmentController, parts, "app"))
        controllers += [bind(each, parts, context.name) for context in CONTEXTS for each in context.development]

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with runtime.running("api"):
            yield

    @cache
    def rendered(write: Callable[[Litestar], Any]) -> bytes:
        return msgspec.json.encode(write(app))

    @get("/schema/openapi.json", opt={**ANONYMOUS, **UNLIMITED}, include_in_schema=False)
    async def openapi_json() -> Response[bytes]:
        return Response(rendered(openapi.document), media_type="application/json")

    @get("/schema/asyncapi.json", opt={**ANONYMOUS, **UNLIMITED}, include_in_schema=False)
    async def asyncapi_json() -> Response[bytes]:
        return Response(rendered(asyncapi.document), media_type="application/json")

    app = Litestar(
        route_handlers=[*controllers, openapi_json, asyncapi_json, admin_site(parts)],
        lifespan=[lifespan],
        middleware=[
            DefineMiddleware(Authentication, authenticator=parts[Authenticator]),
            DefineMiddleware(RequestLimits, limits=parts[RateLimits], parts=parts),
            DefineMiddleware(Idempotency, clock=parts[Clock], vault=parts[Vault]),
            DefineMiddleware(OwnPages, origins=(plaza.base_url, *plaza.cors_origins)),
            DefineMiddleware(Authorization, clock=parts[Clock], staff_mfa=parts[IdentitySettings].staff_mfa),
            DefineMiddleware(Witnessing, witness=parts[Witness]),
        ],
        dependencies={
            "actor": Provide(provide_actor, sync_to_thread=False),
            "caller": Provide(provide_caller, sync_to_thread=False),
            "client": Provide(provide_client, sync_to_thread=False),
            "page": Provide(provide_page, sync_to_thread=False),
        },
        exception_handlers={Exception: answer_problem},
        request_class=PlazaRequest,
        request_max_body_size=MAX_BODY,
        cors_config=CORSConfig(
            allow_origins=list(plaza.cors_origins), allow_credentials=True, expose_headers=_FOR_SCRIPTS
        )
        if plaza.cors_origins
        else None,
        openapi_config=OpenAPIConfig(title="Plaza", version=__version__, path="/schema/generated", render_plugins=[]),
        plugins=[DeclaredErrors(parts)],
        logging_config=None,
        debug=False,
    )
    return app


def create_app(runtime: Runtime) -> Edge:
    """The ASGI application that a server runs."""
    plaza = runtime.configuration.plaza
    return Edge(traced(litestar(runtime), plaza), plaza)


class Server(uvicorn.Server):
    """On SIGTERM: no new connections, sockets are told to come back elsewhere, requests under way are finished; exit status 0."""

    def __init__(self, runtime: Runtime) -> None:
        plaza = runtime.configuration.plaza
        self.runtime, self.edge, self.drain_s = runtime, create_app(runtime), plaza.drain_s
        super().__init__(
            uvicorn.Config(
                self.edge,
                host=plaza.host,
                port=plaza.port,
                loop="uvloop",
                http=JoinedHttp,
                ws=DirectWebSocket,
                ws_max_size=512 * 1024,  # ours is 128 KiB: what lies between is told apart from an attack
                ws_ping_interval=HEARTBEAT_S,
                ws_ping_timeout=HEARTBEAT_S,
                ws_per_message_deflate=False,
                proxy_headers=True,
                forwarded_allow_ips=list(plaza.trusted_proxies),
                server_header=False,
                log_config=None,
                backlog=2048,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self.drain_s
        for server in getattr(self, "servers", ()):
            server.close()
        self.edge.is_draining = True
        await self.runtime.hub.drain(self.drain_s / 4)
        await self._farewells(self.drain_s / 4)
        self.config.timeout_graceful_shutdown = max(1, math.ceil(ends_at - loop.time()))
        await super().shutdown(sockets)

    async def _farewells(self, within_s: float) -> None:
        """Until the peers have answered their close frames: behind a line that is cut earlier, what stood before it may be lost."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while any(getattr(each, "close_sent", False) for each in self.server_state.connections):  # noqa: ASYNC110 - uvicorn tells nobody
                    await asyncio.sleep(0.02)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal that was obeyed does not end the process once more."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()


def build(configuration: Configuration) -> Server:
    return Server(Runtime(configuration, "api"))

"""The outermost layer: a correlation id, a deadline, security headers, metrics, and a log line for all but what limits refuse."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from functools import cache
from http import HTTPStatus
from typing import Any

import structlog
from prometheus_client import Counter, Histogram

from plaza.core.actor import Actor
from plaza.core.correlation import accepted, correlated
from plaza.core.errors import Unavailable, ValidationFailed
from plaza.core.http.problems import send_problem
from plaza.core.http.request import USER_AGENT_LENGTH, client_ip, header
from plaza.core.origin import coming_from
from plaza.core.settings import PlazaSettings
from plaza.core.telemetry.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS

log = structlog.get_logger("plaza.access")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_QUIET = ("/health", "/metrics", "/assets/", "/admin/static/")


class Edge:
    """An ASGI application around another. Once `is_draining`, each connection ends with its next answer."""

    def __init__(self, app: Any, settings: PlazaSettings) -> None:
        self.app, self.deadline = app, settings.request_deadline_s
        self.is_draining = False
        self.headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
        ]
        if settings.is_production:
            self.headers.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self.http(scope, receive, send)
        elif scope["type"] == "websocket":
            with correlated(accepted(header(scope, b"x-request-id"))), _origin(scope):
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def http(self, scope: Any, receive: Any, send: Any) -> None:
        started, status, deadline = time.perf_counter(), 0, asyncio.timeout(self.deadline)

        async def marked(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", correlation.encode()), *self.headers]
                if self.is_draining:
                    headers.append((b"connection", b"close"))
                if _needs_policy(headers):
                    headers.append((b"content-security-policy", CONTENT_SECURITY_POLICY.encode()))
                message = {**message, "headers": headers}
            elif message.get("more_body"):
                deadline.reschedule(None)  # a file takes as long as its reader does
            await send(message)

        IN_FLIGHT.inc()
        with correlated(accepted(header(scope, b"x-request-id"))) as correlation, _origin(scope):
            try:
                if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                    await send_problem(marked, ValidationFailed("U+0000 is not accepted."))
                    return
                async with deadline:
                    await self.app(scope, receive, marked)
            except TimeoutError:
                if status:
                    raise
                await send_problem(marked, Unavailable("This took too long.", retry_after=1))
            except asyncio.CancelledError:  # the server's time to drain is over
                if not status:
                    await send_problem(marked, Unavailable("The server is going down.", retry_after=1))
                raise
            finally:
                IN_FLIGHT.dec()
                took = time.perf_counter() - started
                route = scope.get("path_template") or "unmatched"
                requests, seconds = _metrics(scope["method"], route, status)
                requests.inc()
                seconds.observe(took)
                if not scope["path"].startswith(_QUIET):
                    # A storm that is turned away fills no log; the metrics count it.
                    (log.debug if status == HTTPStatus.TOO_MANY_REQUESTS else log.info)(
                        "request",
                        method=scope["method"],
                        path=scope["path"],
                        status=status,
                        ms=round(took * 1000, 1),
                        **_who(scope.get("actor")),
                    )


def _who(actor: Actor | None) -> dict[str, str | None]:
    """An impersonator is named beside whom they act as."""
    if actor is None:
        return {"user_id": None}
    if actor.impersonator_id is None:
        return {"user_id": str(actor.user_id)}
    return {"user_id": str(actor.user_id), "impersonator_id": str(actor.impersonator_id)}


def _needs_policy(headers: list[tuple[bytes, bytes]]) -> bool:
    """HTML without a policy of its own."""
    if not dict(headers).get(b"content-type", b"").startswith(b"text/html"):
        return False
    return not any(name.lower() == b"content-security-policy" for name, _ in headers)


@cache
def _metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking for them takes longer than counting. As few as the metrics themselves: no path is among their labels."""
    return REQUESTS.labels(method, route, status), REQUEST_SECONDS.labels(method, route)


def _origin(scope: Any) -> AbstractContextManager[None]:
    return coming_from(client_ip(scope), header(scope, b"user-agent")[:USER_AGENT_LENGTH])

"""Limits of routes: one for everybody on every ordinary route, tighter ones where a route declares them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Protocol

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from plaza.core.actor import Actor
from plaza.core.composition import Parts
from plaza.core.errors import RateLimited, Window
from plaza.core.http.problems import headers_of_window, send_problem
from plaza.core.http.request import client_ip, read_body, replayed
from plaza.core.origin import network_of
from plaza.core.ratelimit import RateLimits

UNLIMITED = {"unlimited": True}


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """`credential` limits ask Redis each time and refuse without it."""

    name: str
    limit: str
    by: Literal["ip", "user"]
    credential: bool


def limited(name: str, limit: str, *, by: Literal["ip", "user"] = "user", credential: bool = False) -> dict[str, Any]:
    """For a handler's `opt`: `opt=limited("login", "10/minute", by="ip", credential=True)`."""
    return {"limits": (RouteLimit(name, limit, by, credential),)}


class Queue(Protocol):
    def check_place(self) -> None:
        """Raises RateLimited where there is none."""

    def place(self) -> AbstractContextManager[None]:
        """Held from when the request's body is there until its answer begins: who sends or reads slowly keeps nobody out.

        Raises RateLimited.
        """

    def turn(self) -> AbstractAsyncContextManager[object]:
        """Waited for by who has a place and was not refused, and held as long: the other work of all who wait is not done at once."""


def behind(queue: type[Queue]) -> dict[str, Any]:
    """For the `opt` of a handler whose work waits in this part's bounded queue: whoever finds no place there costs nothing else."""
    return {"behind": queue}


class RequestLimits:
    """ASGI middleware, after Authentication."""

    def __init__(self, app: ASGIApp, limits: RateLimits, parts: Parts) -> None:
        self.app, self.limits, self.parts = app, limits, parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = scope["route_handler"].opt
        if scope["type"] != ScopeType.HTTP or options.get("unlimited"):
            await self.app(scope, receive, send)
            return
        if (queue := options.get("behind")) is None:
            await self.app(scope, receive, await self._counted(options, scope, send))
            return
        places = self.parts[queue]
        async with AsyncExitStack() as held:
            try:
                places.check_place()
                if (body := await read_body(receive)) is None:
                    return
                held.enter_context(places.place())
            except RateLimited as error:
                await send_problem(send, error)  # a storm is turned away at the least cost
                return
            send = await self._counted(options, scope, send)
            await held.enter_async_context(places.turn())

            async def answered(message: Message) -> None:
                await held.aclose()
                await send(message)

            await self.app(scope, replayed(body, receive), answered)

    async def _counted(self, options: Mapping[str, Any], scope: Scope, send: Send) -> Send:
        """Tells of the tightest window from then on. Raises RateLimited, and Unavailable where Redis has to be asked and is away."""
        actor: Actor | None = scope.get("actor")  # type: ignore[assignment] # set by Authentication
        settings = self.limits.settings
        if actor is None:
            window = self.limits.count("anonymous", network_of(client_ip(scope)), settings.anonymous)
        elif actor.api_key_id is not None:
            window = self.limits.count("api-key", actor.api_key_id, settings.api_key)
        else:
            window = self.limits.count("signed-in", actor.user_id, settings.signed_in)
        for route in options.get("limits", ()):
            key = str(actor.user_id) if route.by == "user" and actor is not None else network_of(client_ip(scope))
            if route.credential:
                await self.limits.hit(route.name, key, route.limit)
            else:
                window = self.limits.count(route.name, key, route.limit)
        return _told(send, window) if settings.enabled else send


def _told(send: Send, window: Window) -> Send:
    """A refusal further in may have told of its own window already."""
    told = [(name.lower().encode(), value.encode()) for name, value in headers_of_window(window).items()]

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message["headers"])
            if message["status"] != HTTPStatus.TOO_MANY_REQUESTS or all(name != b"ratelimit" for name, _ in given):
                message = {**message, "headers": [*given, *told]}
        await send(message)

    return wrapped

"""The HTTP edge of `plaza.core.witness`: what impersonators do by requests that are not safe."""

from __future__ import annotations

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any
from uuid import UUID

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from plaza.core.actor import Actor
from plaza.core.db import under
from plaza.core.http.authorization import is_reading
from plaza.core.witness import Witness, Witnessed

PASSING = {"passing": True}
"""Of a route that leaves nothing behind, so that an impersonator's call of it needs no entry."""


class Witnessing:
    """ASGI middleware behind Authorization and Idempotency. Other people's requests pass it for the price of a call."""

    def __init__(self, app: ASGIApp, witness: Witness) -> None:
        self.app, self.witness = app, witness

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        actor: Actor | None = scope.get("actor")  # type: ignore[assignment] # set by Authentication
        if (
            actor is None
            or actor.impersonator_id is None
            or scope["type"] != ScopeType.HTTP
            or is_reading(scope["route_handler"].opt, scope["method"])
            or scope["route_handler"].opt.get("passing")
        ):
            return self.app(scope, receive, send)
        return self._witnessed(Witnessed(self.witness, actor, _deed(scope)), scope, receive, send)

    async def _witnessed(self, call: Witnessed, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < HTTPStatus.BAD_REQUEST:
                await call.finish()
            await send(message)

        with under(call):
            await self.app(scope, receive, told)


def _deed(scope: Any) -> dict[str, Any]:
    """Of the path's parameters only ids: the code of a link is a secret."""
    ids = {name: value for name, value in scope["path_params"].items() if isinstance(value, UUID)}
    return {"method": scope["method"], "route": scope["path_template"], **ids}

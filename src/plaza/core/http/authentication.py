"""Who is calling. Whether they may is decided in `authorization`."""

from __future__ import annotations

from typing import Any, Protocol

from litestar.types import ASGIApp, Receive, Scope, Send

from plaza.core.actor import Actor
from plaza.core.db import is_lost_server, is_overload
from plaza.core.errors import Unauthenticated
from plaza.core.result import DomainError


class Authenticator(Protocol):
    """The port that identity implements."""

    async def authenticate(self, token: str) -> Actor:
        """Raises DomainErrors, Unauthenticated first of all."""
        ...


class Authentication:
    """ASGI middleware: leaves an Actor in the scope, or why there is none."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self.app, self.authenticator = app, authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        actor: Actor | None = None
        error: Exception | None = None
        token = bearer_token(scope)
        if token is not None:
            try:
                actor = await self.authenticator.authenticate(token)
            except DomainError as refused:
                error = refused
            except Exception as unknown:
                if not (is_lost_server(unknown) or is_overload(unknown)):
                    raise
                error = unknown  # nobody knows who is calling: the trouble of those routes that have to
        state: dict[str, Any] = scope  # type: ignore[assignment] # ASGI allows keys of one's own
        state["actor"], state["authentication_error"] = actor, error
        await self.app(scope, receive, send)


def bearer_token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


def provide_actor(scope: Scope) -> Actor:
    """On anonymous routes only where the handler takes `Actor | None` by `provide_caller`."""
    found: Actor | None = scope.get("actor")  # type: ignore[assignment] # set by Authentication
    if found is None:
        raise Unauthenticated
    return found


def provide_caller(scope: Scope) -> Actor | None:
    """The actor of an anonymous route, if somebody is signed in after all. Raises what kept us from knowing."""
    error: Exception | None = scope.get("authentication_error")  # type: ignore[assignment] # set by Authentication
    if error is not None and not isinstance(error, DomainError):
        raise error
    found: Actor | None = scope.get("actor")  # type: ignore[assignment] # set by Authentication
    return found

"""The one place that decides who may call a route, before a body is read.

A route needs a signed-in actor; its `opt` says what more or less, and options merge: `opt={**STEP_UP, **limited(...)}`.

    ANONYMOUS             nobody need be signed in; a token that is no good is ignored. With CREDENTIALS or STEP_UP it is not: who
                          sends a token means the account that it stands for
    permission("x.y")     staff's, declared by a context as a `Permission`
    READING               reads although it is a POST: an API key needs <context>:read instead of <context>:write
    BY_SESSION            no API key
    CREDENTIALS           only the person: no API key, no impersonator (credentials and money)
    STEP_UP               the same, and a login within the last minutes
    WHILE_WAITLISTED      open to those on the waitlist

An API key reaches a route by the scope `<context>:read` or `<context>:write` of the context that brings it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from litestar import Controller
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from plaza.core.actor import Actor
from plaza.core.clock import Clock
from plaza.core.errors import (
    ImpersonationForbidden,
    InsufficientScope,
    MfaEnrolmentRequired,
    PermissionDenied,
    StepUpRequired,
    Unauthenticated,
    Waitlisted,
)
from plaza.core.result import DomainError

ANONYMOUS = {"anonymous": True}
READING = {"reading": True}
BY_SESSION = {"by_session": True}
CREDENTIALS = {"credentials": True}
STEP_UP = {**CREDENTIALS, "step_up": True}
WHILE_WAITLISTED = {"while_waitlisted": True}

STEP_UP_WITHIN = timedelta(minutes=10)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def permission(name: str) -> dict[str, Any]:
    return {"permission": name}


class Authorization:
    """ASGI middleware, the last one that refuses. No guard of Litestar's: for those it copies the handler at each request.

    With `staff_mfa` what needs a permission needs a login with more than one factor, too.
    """

    def __init__(self, app: ASGIApp, clock: Clock, *, staff_mfa: bool = False) -> None:
        self.app, self.clock, self.staff_mfa = app, clock, staff_mfa

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: Any = scope  # ASGI allows keys of one's own
        self.check(scope["route_handler"].opt, state)
        await self.app(scope, receive, send)

    def check(self, options: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        """Raises what refuses."""
        actor: Actor | None = scope.get("actor")
        if options.get("anonymous") and (not options.get("credentials") or not _came_with_token(scope)):
            return
        if actor is None:
            raise scope.get("authentication_error") or Unauthenticated()
        if (refused := self.refusal(actor, options, str(scope.get("method", "GET")))) is not None:
            raise refused

    def refusal(self, actor: Actor, options: Mapping[str, Any], method: str) -> DomainError | None:
        if actor.scopes is not None and not _in_scope(actor, options, method):
            return InsufficientScope()
        if actor.impersonator_id is not None and options.get("credentials"):
            return ImpersonationForbidden()
        if (needed := options.get("permission")) is not None:
            if not actor.may(needed):
                return PermissionDenied()
            if self.staff_mfa and "mfa" not in actor.methods:
                return MfaEnrolmentRequired()
        if actor.waitlisted_until is not None and not options.get("while_waitlisted"):
            return Waitlisted()
        if options.get("step_up") and not self._is_recent(actor):
            return StepUpRequired()
        return None

    def _is_recent(self, actor: Actor) -> bool:
        return actor.authenticated_at is not None and actor.authenticated_at > self.clock.now() - STEP_UP_WITHIN


def refusals_of(options: Mapping[str, Any]) -> tuple[type[DomainError], ...]:
    """What may be answered on a route of these options, for the API's description."""
    if options.get("anonymous") and not options.get("credentials"):
        return ()
    found: list[type[DomainError]] = [Unauthenticated, InsufficientScope]
    if options.get("credentials"):
        found.append(ImpersonationForbidden)
    if options.get("permission"):
        found += [PermissionDenied, MfaEnrolmentRequired]
    if options.get("step_up"):
        found.append(StepUpRequired)
    if not options.get("while_waitlisted"):
        found.append(Waitlisted)
    return tuple(found)


def access_of(options: Mapping[str, Any], method: str) -> str:
    """Who may call a route of these options, in the words of docs/authorization.md."""
    is_persons_own = options.get("credentials") or options.get("permission")
    words = []
    if options.get("anonymous"):
        if not options.get("credentials"):
            return "anybody"
        words.append("anybody without a token")
    if (needed := options.get("permission")) is not None:
        words.append(f"staff with {needed}")
    else:
        words.append("signed in recently" if options.get("step_up") else "signed in")
    if not is_persons_own and not options.get("by_session"):
        words.append(f"key {_scope(options, method)}")
    if not is_persons_own:
        words.append("impersonator")
    if options.get("while_waitlisted"):
        words.append("waitlisted")
    return ", ".join(words)


def scopes_of(context: str, controllers: Iterable[type[Controller]]) -> frozenset[str]:
    """Those by which an API key reaches a route of the context that is not everybody's."""
    handlers = [
        ({**_options(controller), **handler.opt, "context": context}, str(method))
        for controller in controllers
        for _, handler in inspect.getmembers(controller, lambda each: isinstance(each, HTTPRouteHandler))
        for method in handler.http_methods
    ]
    return frozenset(_scope(options, method) for options, method in handlers if _is_for_keys(options))


def _options(controller: type[Controller]) -> Mapping[str, Any]:
    own = getattr(controller, "opt", None)
    return own if isinstance(own, dict) else {}  # a slot where the class sets none


def _is_for_keys(options: Mapping[str, Any]) -> bool:
    return not any(options.get(name) for name in ("anonymous", "credentials", "permission"))


def _in_scope(actor: Actor, options: Mapping[str, Any], method: str) -> bool:
    if options.get("credentials") or options.get("permission") or options.get("by_session"):
        return False
    return actor.allows(_scope(options, method))


def is_reading(options: Mapping[str, Any], method: str) -> bool:
    return method in _SAFE or bool(options.get("reading"))


def _scope(options: Mapping[str, Any], method: str) -> str:
    access = "read" if is_reading(options, method) else "write"
    return f"{options.get('context', '')}:{access}"


def _came_with_token(scope: Mapping[str, Any]) -> bool:
    return scope.get("actor") is not None or scope.get("authentication_error") is not None

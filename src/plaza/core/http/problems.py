"""RFC 9457 problem documents: every answer of 400 and above has this one shape."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.routes import HTTPRoute
from redis.exceptions import RedisError

from plaza.core.correlation import correlation_id
from plaza.core.db import is_lost_server, is_out_of_range, is_overload
from plaza.core.errors import (
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unavailable,
    ValidationFailed,
    Window,
)
from plaza.core.result import DomainError

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
# Where a lost server or a full pool sends the client: most restarts are over by then.
_RETRY_AFTER_S = 1
# What concerns the body as a whole; Litestar calls it by the name of the handler's argument.
_BODY = "body"
# The library tells these of the object around the field.
_OF_AN_OBJECT = re.compile(r"^Object (?:missing required|contains unknown) field `(.+)`")


class Problem(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "type"}):
    """`errors` maps a field of the request to what is wrong with it."""

    kind: str
    title: str
    status: int
    detail: str
    code: str
    correlation_id: str
    errors: Mapping[str, Sequence[str]] = {}


def problem_of(error: DomainError) -> Problem:
    return Problem(
        kind=f"/docs/errors#{error.code.lower()}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        code=error.code,
        correlation_id=correlation_id(),
        errors=error.errors or {},
    )


def headers_of(error: DomainError) -> dict[str, str]:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, RateLimited) and error.window is not None:
        headers |= headers_of_window(error.window)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def headers_of_window(window: Window) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers spells them."""
    return {
        "RateLimit-Policy": f'"default";q={window.limit};w={window.window_s}',
        "RateLimit": f'"default";r={window.remaining};t={window.reset_s}',
    }


def as_domain_error(error: Exception) -> DomainError:
    """What a client is told of any exception; nothing internal shows."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, HTTPException):
        return _of_litestar(error)
    if isinstance(error, msgspec.ValidationError | RecursionError):
        return ValidationFailed()
    if isinstance(error, RedisError) or is_lost_server(error) or is_overload(error):
        return Unavailable(retry_after=_RETRY_AFTER_S)
    if is_out_of_range(error):
        return ValidationFailed("A number or a time is out of range.")
    return InternalError()


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    told = as_domain_error(error)
    if isinstance(told, InternalError):
        log.error("request_failed", exc_info=error, path=request.scope["path"])
    elif isinstance(told, Unavailable) and told is not error:
        log.warning("unavailable", error=repr(error), path=request.scope["path"])
    headers = headers_of(told)
    if isinstance(error, MethodNotAllowedException):
        headers["Allow"] = ", ".join(sorted(_allowed(request)))
    body: Any = problem_of(told)
    if told.members:
        body = {**msgspec.to_builtins(body), **told.members}
    return Response(body, status_code=told.status, media_type=PROBLEM_JSON, headers=headers)


async def send_problem(send: Any, error: DomainError) -> None:
    """A problem document without Litestar."""
    body = msgspec.json.encode(problem_of(error))
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _of_litestar(error: HTTPException) -> DomainError:
    if isinstance(error, NotFoundException):
        return NotFound()
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed()
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return PayloadTooLarge()
    if isinstance(error, ValidationException):
        return ValidationFailed(errors=_fields(error.extra))
    if 400 <= error.status_code < 500:
        return ValidationFailed(error.detail)
    return InternalError()


def _fields(extra: object) -> dict[str, list[str]]:
    fields: defaultdict[str, list[str]] = defaultdict(list)
    for each in extra if isinstance(extra, list) else ():
        if isinstance(each, dict):
            key, message = str(each.get("key") or _BODY), str(each.get("message", ""))
            within = () if key in (_BODY, "data") else (key,)
            absent = _OF_AN_OBJECT.search(message)
            fields[".".join((*within, absent[1]) if absent else within) or _BODY].append(message)
    return dict(fields)


def _allowed(request: Request[Any, Any, Any]) -> set[str]:
    """Routing has failed by then: the routes that would match the path are looked for one by one."""
    path = [part for part in request.scope["path"].split("/") if part]
    return {
        method
        for route in request.app.routes
        if isinstance(route, HTTPRoute) and _matches(route, path)
        for method in route.methods
    }


def _matches(route: HTTPRoute, path: Sequence[str]) -> bool:
    parts = route.path_components
    return len(parts) == len(path) and all(
        not isinstance(part, str) or part == given for part, given in zip(parts, path, strict=True)
    )

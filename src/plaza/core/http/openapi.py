"""The OpenAPI document says what can go wrong: a handler's error responses are those that its service methods declare.

Two halves: `DeclaredErrors` writes them to the handlers while routes are registered, `document` finishes what Litestar generates
(strict inputs, docstrings, bearer authentication, no error shape but the Problem).
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute

from plaza.core.composition import Parts
from plaza.core.errors import (
    IdempotencyInProgress,
    IdempotencyKeyReused,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    Unavailable,
    ValidationFailed,
)
from plaza.core.http.authorization import refusals_of
from plaza.core.http.binding import parts_of
from plaza.core.http.problems import PROBLEM_JSON, Problem
from plaza.core.result import DomainError
from plaza.core.schemas import Input


def documented(kind: Any, description: str) -> ResponseSpec:
    """A handler's further answer, for its `responses`; without the examples that Litestar would make up anew each time."""
    return ResponseSpec(kind, description=description, generate_examples=False)


def called_methods(handler: HTTPRouteHandler, parts: Parts) -> Iterator[Any]:
    """Every `self.<part>.<method>` in the handler's source."""
    owner = type(getattr(handler.fn, "__self__", None) or handler.owner)
    if not hasattr(handler.fn, "__qualname__") or "." not in handler.fn.__qualname__:
        return
    kinds, written = parts_of(owner, parts), inspect.unwrap(handler.fn)
    for part, method in _named_in(getattr(written, "__func__", written)):
        if part in kinds:
            yield getattr(kinds[part], method, None)


@cache
def _named_in(fn: Callable[..., Any]) -> tuple[tuple[str, str], ...]:
    """Each `self.<part>.<method>`: of a source that is read once, however many applications a process makes of it (in tests)."""
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(fn)))):
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=part), attr=method):
                found.append((part, method))
    return tuple(found)


def errors_of_handler(handler: HTTPRouteHandler, parts: Parts) -> dict[type[DomainError], None]:
    """What a handler may answer: its methods' declarations, and what the edge adds to every route of its kind."""
    found: dict[type[DomainError], None] = {}
    for method in called_methods(handler, parts):
        found.update(dict.fromkeys(getattr(method, "__refuses__", ())))
    options = handler.opt
    found.update(dict.fromkeys(refusals_of(options)))
    if options.get("cookie"):
        found[PermissionDenied] = None
    if not options.get("unlimited"):
        found[RateLimited] = None
    names = handler.parsed_fn_signature.parameters
    if names or HttpMethod.POST in handler.http_methods:
        found[ValidationFailed] = None
    if "data" in names:
        found[PayloadTooLarge] = None
    if HttpMethod.POST in handler.http_methods and options.get("idempotent") is not False:
        found.update({IdempotencyInProgress: None, IdempotencyKeyReused: None})
    if handler.paths and any("{" in path for path in handler.paths):
        found[NotFound] = None
    found[Unavailable] = None
    return found


class DeclaredErrors(ReceiveRoutePlugin):
    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def receive_route(self, route: BaseRoute) -> None:
        if not isinstance(route, HTTPRoute):
            return
        for handler in route.route_handlers:
            if not handler.resolve_include_in_schema():
                continue
            by_status: defaultdict[int, list[str]] = defaultdict(list)
            for error in errors_of_handler(handler, self.parts):
                by_status[error.status].append(error.code)
            declared = {
                status: ResponseSpec(
                    Problem, description=", ".join(sorted(codes)), media_type=PROBLEM_JSON, generate_examples=False
                )
                for status, codes in sorted(by_status.items())
            }
            handler.responses = {**declared, **(handler.responses or {})}


def document(app: Litestar) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema(), enc_hook=str))
    components = schema.setdefault("components", {})
    strict = {kind.__name__ for kind in _subclasses(Input)}
    meanings = {
        kind.__name__: kind.__doc__ for kind in _subclasses(msgspec.Struct) if kind.__module__.startswith("plaza.")
    }
    for name, component in components.get("schemas", {}).items():
        if name.split("_")[-1] in strict or name in strict:
            component["additionalProperties"] = False
        if meaning := meanings.get(name):
            component["description"] = inspect.cleandoc(meaning)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    anonymous = {
        (route.path_format, method.lower()): "caller" in handler.parsed_fn_signature.parameters
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.opt.get("anonymous")
        for method in handler.http_methods
    }
    for path, operations in schema.get("paths", {}).items():
        for method, operation in operations.items():
            knows_caller = anonymous.get((path, method))
            operation["security"] = [
                *([] if knows_caller is None else [{}]),
                *([] if knows_caller is False else [{"bearer": []}]),
            ]
            operation["responses"].get("204", {}).pop("content", None)
            if method == "post" and "requestBody" in operation:
                operation["requestBody"]["required"] = _has_required_fields(operation["requestBody"], components)
    return schema


def _has_required_fields(body: dict[str, Any], components: dict[str, Any]) -> bool:
    """A POST without a body is read as an empty object."""
    shapes = [content.get("schema", {}) for content in body.get("content", {}).values()]
    named = [components.get("schemas", {}).get(each.get("$ref", "").rpartition("/")[2], each) for each in shapes]
    return not all(each.get("type") == "object" and not each.get("required") for each in named)


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)

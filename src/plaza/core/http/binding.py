"""Controllers get their services once, at start: no injection per request."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from litestar import Request
from litestar.controller import Controller
from litestar.handlers import HTTPRouteHandler

from plaza.core.composition import Parts
from plaza.core.errors import ValidationFailed

C = TypeVar("C", bound=Controller)


def parts_of(controller: type, parts: Parts) -> dict[str, type]:
    """The annotated class attributes that name a part."""
    found = {}
    for each in reversed(controller.__mro__):
        if each not in (Controller, object):
            found.update(inspect.get_annotations(each, eval_str=True))
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and kind in parts}


def bind(controller: type[C], parts: Parts, context: str) -> type[C]:
    """A subclass with the parts in place, so that two applications in one process do not share them; it knows its context's name."""
    attributes: dict[str, Any] = {name: parts[kind] for name, kind in parts_of(controller, parts).items()}
    own = getattr(controller, "opt", None)
    options = {**(own if isinstance(own, dict) else {}), "context": context}  # a slot where the class sets none
    for _, handler in inspect.getmembers(controller, lambda each: isinstance(each, HTTPRouteHandler)):
        if "POST" in handler.http_methods and not _reads_body(handler):
            handler.before_request = refuse_fields
    return type(
        controller.__name__,
        (controller,),
        {"__module__": controller.__module__, "__doc__": controller.__doc__, "opt": options, **attributes},
    )


async def refuse_fields(request: Request[Any, Any, Any]) -> None:
    """A POST that takes no body accepts an empty object; a field that nobody would look at is refused. Raises ValidationFailed."""
    given = await request.json()
    if given != {}:
        names = given if isinstance(given, dict) else ()
        raise ValidationFailed(errors={name: ["This field is not known."] for name in names})


def _reads_body(handler: HTTPRouteHandler) -> bool:
    return not inspect.signature(handler.fn).parameters.keys().isdisjoint(("data", "body", "request"))

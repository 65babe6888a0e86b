"""Controllers get their services once, at start: no injection per request."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar, get_type_hints

from litestar.controller import Controller

from plaza.core.composition import Parts

C = TypeVar("C", bound=Controller)


def parts_of(controller: type, parts: Parts) -> dict[str, type]:
    """The annotated class attributes that name a part."""
    own = {
        name
        for each in controller.__mro__
        if each not in (Controller, object)
        for name in inspect.get_annotations(each)
    }
    hints = get_type_hints(controller)
    return {name: hints[name] for name in own if isinstance(hints[name], type) and hints[name] in parts}


def bind(controller: type[C], parts: Parts) -> type[C]:
    """A subclass with the parts in place, so that two applications in one process do not share them."""
    attributes: dict[str, Any] = {name: parts[kind] for name, kind in parts_of(controller, parts).items()}
    return type(
        controller.__name__,
        (controller,),
        {"__module__": controller.__module__, "__doc__": controller.__doc__, **attributes},
    )

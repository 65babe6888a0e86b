"""The AsyncAPI document: every address of a socket, every frame, every close code, as the code has them.

Frames are the subclasses of `Said` and `Told`, and their docstrings the descriptions. The addresses are presets of one socket, so that
all frames may come on each of them. AsyncAPI has no word for close codes: they stand in `x-close-codes`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import WebsocketRouteHandler
from litestar.routes import WebSocketRoute

from plaza.core.realtime.frames import MSGPACK, Said, Told
from plaza.core.realtime.settings import RealtimeSettings
from plaza.core.realtime.socket import Close

_SECURITY = {
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "From POST /api/v1/auth/ws-ticket; it opens one socket.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "The access token, in the handshake."},
    "auth": {
        "type": "userPassword",
        "description": "Neither of the others: the first frame is `auth`, with the access token.",
    },
}
_DESCRIPTION = f"""A frame is one WebSocket message, a flat JSON object, told apart by `type`; with the subprotocol \
`{MSGPACK}` the same object as binary msgpack. A client's frame has at most {RealtimeSettings().frame_bytes // 1024} KiB.

Every socket begins with `ready`; one that is not let in is closed without a frame. Frames with a `seq` are entries of a conversation's \
log: each arrives once, without a gap, in order. After a lost connection `subscribe` gives what was missed.

| close code | |
|---|---|
"""


def document(app: Litestar) -> dict[str, Any]:
    """Title and version are those of the OpenAPI document."""
    about = app.openapi_schema.info
    said, told = _frames(Said), _frames(Told)
    ref_template = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components([*said.values(), *told.values()], ref_template=ref_template)
    channels = {_name_of(route): _channel(route, [*said, *told]) for route in _routes(app)}
    codes = "".join(f"| {code} | {code.meaning} |\n" for code in Close)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": about.title, "version": about.version, "description": _DESCRIPTION + codes},
        "defaultContentType": "application/json",
        "servers": {
            "plaza": {
                "host": "{host}",
                "protocol": "wss",
                "variables": {"host": {"default": "localhost", "description": "Where the REST API is."}},
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
            }
        },
        "channels": channels,
        "operations": {
            **{key: each for name in channels for key, each in _hearing(name, said, told).items()},
            **{f"{name}.tell": {"action": "send", **_about(name, told)} for name in channels},
        },
        "components": {
            "messages": {name: _message(name, kind) for name, kind in (said | told).items()},
            "schemas": {name: _finished(schema) for name, schema in sorted(schemas.items())},
            "securitySchemes": _SECURITY,
        },
        "x-close-codes": {str(int(code)): {"name": code.name, "description": code.meaning} for code in Close},
        "x-subprotocols": [MSGPACK],
    }


def _finished(schema: dict[str, Any]) -> dict[str, Any]:
    """msgspec tells times from other strings only where they must have an offset; here their names do."""
    if "description" in schema:
        schema["description"] = inspect.cleandoc(schema["description"])
    for name, field in schema.get("properties", {}).items():
        for shape in field.get("anyOf", [field]):
            if name.endswith("_at") and shape.get("type") == "string":
                shape["format"] = "date-time"
    return schema


def _frames(base: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    found = {each.__name__: each for each in _subclasses(base) if each.__module__.startswith("plaza.")}
    return dict(sorted(found.items()))


def _subclasses(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)


def _routes(app: Litestar) -> list[WebSocketRoute]:
    return sorted(
        (each for each in app.routes if isinstance(each, WebSocketRoute)), key=lambda route: route.path_format
    )


def _handler_of(route: WebSocketRoute) -> WebsocketRouteHandler:
    handler = route.route_handler
    assert isinstance(handler, WebsocketRouteHandler)
    return handler


def _name_of(route: WebSocketRoute) -> str:
    return "".join(word.title() for word in _handler_of(route).handler_name.split("_"))


def _channel(route: WebSocketRoute, messages: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "address": route.path_format,
        "description": inspect.cleandoc(_handler_of(route).fn.__doc__ or ""),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": {"type": "object", "properties": {"ticket": {"type": "string"}}},
                "headers": {
                    "type": "object",
                    "properties": {
                        "Authorization": {"type": "string"},
                        "Sec-WebSocket-Protocol": {"type": "string", "enum": [MSGPACK]},
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
    }
    if parameters := re.findall(r"{(\w+)}", route.path_format):
        found["parameters"] = {name: {"description": "A UUID."} for name in parameters}
    return found


def _message(name: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    described = {"description": inspect.cleandoc(kind.__doc__)} if kind.__doc__ else {}
    return {
        "name": _tag_of(kind),
        "title": name,
        **described,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _hearing(channel: str, said: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """An operation for each frame of a client's, with the frames of which one answers it."""
    by_tag = {_tag_of(kind): name for name, kind in told.items()}
    operations: dict[str, Any] = {}
    for name, kind in said.items():
        operation = {"action": "receive", **_about(channel, [name])}
        if kind.answers:
            operation["reply"] = _about(channel, [by_tag[answer] for answer in kind.answers])
        operations[f"{channel}.{_tag_of(kind)}"] = operation
    return operations


def _about(channel: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _tag_of(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)

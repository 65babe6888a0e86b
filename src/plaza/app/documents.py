"""The generated part of docs/: everything here is read from the code, so that it cannot go stale unnoticed."""

from __future__ import annotations

import importlib
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from plaza.app.configuration import SECTIONS, Configuration
from plaza.app.registry import CONTEXTS
from plaza.app.runtime import Runtime
from plaza.app.server import litestar
from plaza.core.actor import Permission
from plaza.core.composition import Context
from plaza.core.http.authorization import access_of
from plaza.core.http.openapi import document
from plaza.core.jobs import Registry
from plaza.core.messages import DomainEvent
from plaza.core.realtime import asyncapi
from plaza.core.result import DomainError
from plaza.core.settings import PlazaSettings, describe

_GENERATED = "<!-- Written by `plaza docs`. -->\n\n"

# The words of `access_of`.
_WORDS = (
    ("anybody", "no token is asked for, and one that is no good is ignored"),
    (
        "anybody without a token",
        "open; who sends a token means the account that it stands for, and has to be who the rest says",
    ),
    ("signed in", "a person's own session"),
    ("signed in recently", "the same, by a login within the last 10 minutes (STEP_UP_REQUIRED)"),
    (
        "staff with x",
        (
            "a session whose roles give the permission (PERMISSION_DENIED); with `PLAZA_IDENTITY_STAFF_MFA` by a login with"
            " a second factor (MFA_ENROLMENT_REQUIRED)"
        ),
    ),
    ("key x:read", "also an API key with this scope (INSUFFICIENT_SCOPE); where it is not named, no key at all"),
    (
        "impersonator",
        "also staff acting as the person (IMPERSONATION_FORBIDDEN where it is not named, PERMISSION_DENIED for staff's routes)",
    ),
    ("waitlisted", "also those who wait (WAITLISTED)"),
)


@cache
def application() -> Litestar:
    """What a default installation serves; needs no server."""
    sections = {kind: msgspec.convert({}, kind) for _, kind in SECTIONS}
    configuration = Configuration(sections).replaced(
        PlazaSettings(env="test", database_url="postgresql+asyncpg://localhost/none", redis_url="redis://localhost")
    )
    return litestar(Runtime(configuration, "docs"))


def openapi_json() -> str:
    return json.dumps(document(application()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def asyncapi_json() -> str:
    return json.dumps(asyncapi.document(application()), indent=1, ensure_ascii=False) + "\n"


def authorization_md() -> str:
    permissions = sorted(
        (each for context in CONTEXTS for each in context.declares if isinstance(each, Permission)),
        key=lambda each: each.name,
    )
    held = [f"| `{each.name}` | {each.description} | {', '.join(('admin', *each.roles))} |\n" for each in permissions]
    routes = [f"| `{route}` | {access} |\n" for route, access in access_by_route(application()).items()]
    return (
        _GENERATED
        + "# Authorization\n\nOne guard decides who may call a route, before a body is read; each route says in its options what it"
        + " asks for. Behind it services decide what depends on the thing: membership, ownership, reach.\n\n"
        + "| words below | meaning |\n|---|---|\n"
        + "".join(f"| {word} | {meaning} |\n" for word, meaning in _WORDS)
        + "\nAn access token carries the permissions that its owner's roles gave when it was made, and ends with the first of the"
        + " grants behind them. A change of roles or standing makes it stale in every process within a second: 401 TOKEN_STALE,"
        + " and a refresh answers what counts now.\n\n"
        + "Sockets are for people: opened by a session's token or ticket, never by a key, and not while waiting.\n\n"
        + "## Permissions\n\nA superuser has them all, also those to come. Operators may change what the other roles hold; nobody"
        + " hands out what they do not hold, and roles with `roles.manage` or `users.roles` are a superuser's to give.\n\n"
        + "| permission | what it allows | roles that begin with it |\n|---|---|---|\n"
        + "".join(held)
        + "\n## Routes\n\nReviewed in tests/authorization.toml: a new route is added there by hand.\n\n| route | who |\n|---|---|\n"
        + "".join(routes)
    )


def access_by_route(app: Litestar) -> dict[str, str]:
    """Of every route in the API's description, such as "GET /api/v1/auth/user"."""
    found = {
        f"{method} {route.path_format}": access_of(handler.opt, str(method))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.resolve_include_in_schema()
        for method in handler.http_methods
    }
    return dict(sorted(found.items(), key=lambda each: each[0].split(" ")[::-1]))


def errors_md() -> str:
    rows = [
        f"| `{code}` | {error.status} | {error.summary()} |"
        for code, error in sorted(DomainError.by_code.items())
        if error.__module__.startswith("plaza.")
    ]
    return (
        _GENERATED
        + "# Error codes\n\nEvery answer of 400 and above is a problem document (RFC 9457) with one of these codes; on a socket the"
        + " same code stands in an `error` frame.\n\n| code | status | meaning |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def contexts_md() -> str:
    parts = [_GENERATED + "# Contexts\n\nFrom the lowest layer to the highest.\n"]
    handlers = Registry(CONTEXTS).entries.values()
    for context in CONTEXTS:
        own = [each for each in handlers if each.name.startswith(f"{context.name}.")]
        parts.append(f"\n## {context.name}\n\n{_doc_of(context)}\n")
        parts += [
            f"\n{title}: {', '.join(f'`{name}`' for name in names)}\n"
            for title, names in (
                ("Services", [each.__name__ for each in context.services]),
                ("Jobs", [each.name for each in own if each.handler.schedule is None and each.handler.event is None]),
                ("Event handlers", [each.name for each in own if each.handler.event is not None]),
                ("Crons", [each.name for each in own if each.handler.schedule is not None]),
            )
            if names
        ]
    return "".join(parts)


def events_md() -> str:
    parts = [
        _GENERATED
        + "# Domain events\n\nEach is written in the transaction that made it true and reaches each handler once in effect.\n"
    ]
    for event in sorted(_events(), key=lambda each: each.name()):
        parts.append(
            f"\n## `{event.name()}` (version {event.version})\n\n{inspect.cleandoc(event.__doc__ or '')}\n\n| field | type |\n|---|---|\n"
        )
        parts += [f"| `{field.name}` | {_type(field.type)} |\n" for field in msgspec.structs.fields(event)]
    return "".join(parts)


def settings_md() -> str:
    rows = [
        f"| `{name}` | {kind} | {f'`{default}`' if default else ''} |" for name, kind, default in describe(SECTIONS)
    ]
    return (
        _GENERATED
        + "# Settings\n\nRead once at start from the environment, then `.env`, then what a running `plaza up` offers. A wrong or"
        + " unknown one ends the program with its name.\n\n| variable | type | default |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


WRITERS = {
    "errors.md": errors_md,
    "contexts.md": contexts_md,
    "events.md": events_md,
    "settings.md": settings_md,
    "authorization.md": authorization_md,
    "openapi.json": openapi_json,
    "asyncapi.json": asyncapi_json,
}


def write(folder: Path, *, check: bool = False) -> list[Path]:
    """The files that were, or with `check` would be, changed."""
    changed = []
    for name, writer in WRITERS.items():
        path, text = folder / name, writer()
        if not path.exists() or path.read_text() != text:
            changed.append(path)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    return changed


def _doc_of(context: Context) -> str:
    return inspect.cleandoc(importlib.import_module(f"plaza.{context.name}").__doc__ or "")


def _events() -> list[type[DomainEvent]]:
    return [each for each in DomainEvent.__subclasses__() if each.__module__.startswith("plaza.")]


def _type(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind)).replace("|", "\\|")

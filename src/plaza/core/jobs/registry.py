"""Who handles what: read once from the manifests, by the outbox for its rows and by the worker for their handlers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from plaza.core.composition import Context
from plaza.core.crypto import Sealed
from plaza.core.jobs.declare import Handler
from plaza.core.messages import DomainEvent, JobPayload, Message


@dataclass(frozen=True, slots=True)
class Entry:
    """`name` is what `core_job.handler` holds; `secrets` are the payload's fields that a done job no longer shows."""

    name: str
    handler: Handler
    message: type[Message] | None
    secrets: tuple[str, ...]


class NoHandler(RuntimeError):
    """A job was enqueued that no context handles."""


class BadHandler(RuntimeError):
    """A declaration that cannot work."""


class Registry:
    def __init__(self, contexts: Iterable[Context]) -> None:
        self.entries: dict[str, Entry] = {}
        self._jobs: dict[type[JobPayload], Entry] = {}
        self._reactions: dict[type[DomainEvent], list[Entry]] = {}
        for context in contexts:
            for handler in context.jobs:
                payload = _payload_of(handler)
                if payload in self._jobs:
                    raise BadHandler(f"{payload.__qualname__} has two jobs")
                self._jobs[payload] = self._add(payload.name(), handler, payload)
            for handler in context.event_handlers:
                if (event := handler.event) is None:
                    raise BadHandler(f"{handler.fn.__qualname__} needs @handles")
                reactions = self._reactions.setdefault(event, [])
                reactions.append(self._add(f"{context.name}.{handler.fn.__name__}", handler, event))
            for handler in context.crons:
                self._add(f"{context.name}.{handler.fn.__name__}", handler, None)

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.handler.queue for entry in self.entries.values()))

    @property
    def crons(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries.values() if entry.handler.schedule is not None)

    def job(self, payload: type[JobPayload]) -> Entry:
        try:
            return self._jobs[payload]
        except KeyError:
            raise NoHandler(f"no context handles {payload.__qualname__}") from None

    def reactions(self, event: type[DomainEvent]) -> Sequence[Entry]:
        return self._reactions.get(event, ())

    def _add(self, name: str, handler: Handler, message: type[Message] | None) -> Entry:
        if name in self.entries:
            raise BadHandler(f"two handlers are called {name}")
        entry = self.entries[name] = Entry(name, handler, message, _secrets_of(message))
        return entry


def _payload_of(handler: Handler) -> type[JobPayload]:
    first = next(iter(inspect.signature(handler.fn).parameters), "")
    payload = get_type_hints(handler.fn).get(first)
    if not (isinstance(payload, type) and issubclass(payload, JobPayload)):
        raise BadHandler(f"{handler.fn.__qualname__}: the first parameter of a job is its JobPayload")
    return payload


def _secrets_of(message: type[Message] | None) -> tuple[str, ...]:
    if message is None:
        return ()
    return tuple(name for name, kind in get_type_hints(message).items() if _holds_secret(kind))


def _holds_secret(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    if origin is Sealed:
        return True
    if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
        return any(_holds_secret(each) for each in get_type_hints(origin).values())
    return any(_holds_secret(each) for each in get_args(kind))

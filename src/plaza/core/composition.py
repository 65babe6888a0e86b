"""How a process is put together: contexts say in their manifest what they bring, and constructors say by type what they need."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints, runtime_checkable

import msgspec

from plaza.core.personal_data import PersonalData, PersonalDataHolders
from plaza.core.service import Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One context's manifest: what app, worker, command line and documents read.

    `gateways` maps a port (a Protocol or a class) to a class or factory whose annotated parameters are filled by type; services may
    implement lower contexts' ports: `ports={Authenticator: TokenService}`. `declares` are the things that generic engines collect: a
    constructor parameter annotated `Sequence[NotificationType]` gets all of that type from all contexts (`Sequence[Context]` the
    manifests themselves). `api_background` and `worker_background` name classes with a `run()` coroutine that lasts as long as the
    process. `development` controllers are left out in production. `personal_data` names the service that exports and erasures of people
    call.
    """

    name: str
    settings: type[msgspec.Struct] | None = None
    gateways: Mapping[Any, Callable[..., Any]] = field(default_factory=dict)
    services: Sequence[type[Service]] = ()
    ports: Mapping[Any, type] = field(default_factory=dict)
    controllers: Sequence[type] = ()
    development: Sequence[type] = ()
    jobs: Sequence[Any] = ()
    event_handlers: Sequence[Any] = ()
    crons: Sequence[Any] = ()
    declares: Sequence[Any] = ()
    api_background: Sequence[type] = ()
    worker_background: Sequence[type] = ()
    personal_data: type[PersonalData] | None = None


@runtime_checkable
class Background(Protocol):
    def run(self) -> Coroutine[Any, Any, None]:
        """Lasts until cancelled."""
        ...


class MissingPart(RuntimeError):
    """A constructor asks for a type that no lower context brings."""


class Parts:
    """One instance per type, made lowest context first; a context can only ask for what already stands."""

    def __init__(self, given: Mapping[Any, Any], contexts: Sequence[Context]) -> None:
        self._parts: dict[Any, Any] = {**given, Parts: self}  # for engines that fill what others declare by type
        self._declared = [*contexts, *(each for context in contexts for each in context.declares)]
        self.contexts = contexts

    @classmethod
    def compose(cls, given: Mapping[Any, Any], contexts: Sequence[Context]) -> Parts:
        """`contexts` in the order of their layers, the lowest first; `given` are core's own parts and every settings struct."""
        parts = cls(given, contexts)
        holders = parts.one(PersonalDataHolders)
        for context in contexts:
            for port, factory in context.gateways.items():
                parts._parts[port] = parts.make(factory)
            for service in context.services:
                parts.one(service)
            for port, implementation in context.ports.items():
                parts._parts[port] = parts.one(implementation)
            if context.personal_data is not None:
                holders.add(context.name, parts.one(context.personal_data))
        return parts

    def __getitem__(self, kind: type[T]) -> T:
        try:
            found: T = self._parts[kind]
        except KeyError:
            raise MissingPart(f"nothing provides {getattr(kind, '__qualname__', kind)}") from None
        return found

    def __contains__(self, kind: Any) -> bool:
        return kind in self._parts

    def one(self, kind: type[T]) -> T:
        """The part of this type, made if it does not stand yet."""
        if kind not in self._parts:
            self._parts[kind] = self.make(kind)
        found: T = self._parts[kind]
        return found

    def make(self, factory: Callable[..., T]) -> T:
        return factory(**self.arguments(factory))

    def arguments(self, factory: Callable[..., Any], skip: int = 0) -> dict[str, Any]:
        """Keyword arguments for `factory` by its annotations, its first `skip` parameters left to the caller."""
        hints = get_type_hints(inspect.getattr_static(factory, "__init__") if isinstance(factory, type) else factory)
        parameters = [
            each for each in inspect.signature(factory).parameters.values() if each.kind is not each.VAR_KEYWORD
        ][skip:]
        arguments: dict[str, Any] = {}
        for parameter in parameters:
            kind = hints.get(parameter.name)
            if kind in self._parts:
                arguments[parameter.name] = self._parts[kind]
            elif (origin := get_origin(kind)) is not None and isinstance(origin, type) and issubclass(origin, Sequence):
                arguments[parameter.name] = [each for each in self._declared if isinstance(each, get_args(kind)[0])]
            elif parameter.default is parameter.empty:
                raise MissingPart(f"{factory.__qualname__} needs {parameter.name}: {kind}")
        return arguments

    def backgrounds(self, which: str) -> list[Background]:
        """`which` is "api" or "worker"."""
        return [self.one(kind) for context in self.contexts for kind in getattr(context, f"{which}_background")]

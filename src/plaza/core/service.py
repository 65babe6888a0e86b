"""The three kinds of service method: `@command` (one transaction), `@query` (a read), `@flow` (outside calls between commands).

Each declares the errors that it may answer; naming another method declares all of that one's:

    @command(ConversationNotFound, WalletService.debit)
    async def tip(self, actor: Actor, ...) -> ServiceResult[MessageView]: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import structlog

from plaza.core.db import Database, current_transaction
from plaza.core.errors import IdempotencyInProgress, IdempotencyKeyReused
from plaza.core.result import DomainError, Failure, ServiceResult, Success

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Service")
Method: TypeAlias = Callable[Concatenate[S, P], Awaitable[ServiceResult[T]]]
Decorated: TypeAlias = Callable[Concatenate[S, P], Coroutine[Any, Any, ServiceResult[T]]]
Refuses: TypeAlias = type[DomainError] | Callable[..., Any]

# What an Idempotency-Key adds to whatever command runs under it; a flow passes it on. The API's description knows the routes.
_OF_THE_KEY = (IdempotencyInProgress, IdempotencyKeyReused)

log = structlog.get_logger(__name__)


class Service:
    """Made once at start from what its constructor's annotations name; holds collaborators, never a session."""

    def __init__(self, db: Database) -> None:
        self.db = db


class UndeclaredFailure(RuntimeError):
    """A method answered with an error that it does not declare."""


class FlowInTransaction(RuntimeError):
    """A flow calls outside: it cannot run while a transaction is open."""


class OutsideCallInTransaction(RuntimeError):
    """A gateway was called while a transaction was open."""


def errors_of(*refuses: Refuses) -> tuple[type[DomainError], ...]:
    found: dict[type[DomainError], None] = {}
    for each in refuses:
        if isinstance(each, type) and issubclass(each, DomainError):
            found[each] = None
        else:
            found.update(dict.fromkeys(each.__refuses__))  # type: ignore[union-attr] # set by these decorators
    return tuple(found)


def checked(db: Database, error: DomainError, declared: tuple[type[DomainError], ...], name: str) -> Failure:
    if not isinstance(error, (*declared, *_OF_THE_KEY)):
        if db.strict:
            raise UndeclaredFailure(f"{name} does not declare {error.code}") from error
        log.error("undeclared_failure", method=name, code=error.code)
    return Failure(error)


@cache
def result_type(fn: Callable[..., Any]) -> Any:
    """T of a method annotated to return ServiceResult[T], or a sequence of them: what a stored result is decoded to."""
    returned = get_type_hints(fn)["return"]
    if isinstance(get_origin(returned), type) and issubclass(get_origin(returned), Sequence):
        (returned,) = get_args(returned)
    stored = next(option for option in get_args(returned) if get_origin(option) is Success)
    return get_args(stored)[0]


def command(*refuses: Refuses) -> Callable[[Method[S, P, T]], Decorated[S, P, T]]:
    """All of it commits, or it leaves no trace and says why. Inside another command it joins that one's transaction."""
    declared = errors_of(*refuses)

    def decorate(fn: Method[S, P, T]) -> Decorated[S, P, T]:
        @wraps(fn)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> ServiceResult[T]:
            async def body() -> ServiceResult[T]:
                return await _outcome(self.db, fn, declared, self, *args, **kwargs)

            transaction = current_transaction()
            if transaction is None:
                return await self.db.run(body, lambda: result_type(fn))
            return await self.db.join(transaction, body)

        run.__refuses__ = declared  # type: ignore[attr-defined] # read by errors_of and the OpenAPI document
        return run

    return decorate


def flow(*refuses: Refuses) -> Callable[[Method[S, P, T]], Decorated[S, P, T]]:
    """Commands with outside calls between them: no transaction of its own, and never inside one."""
    declared = errors_of(*refuses)

    def decorate(fn: Method[S, P, T]) -> Decorated[S, P, T]:
        @wraps(fn)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> ServiceResult[T]:
            if current_transaction() is not None:
                raise FlowInTransaction(fn.__qualname__)
            return await _outcome(self.db, fn, declared, self, *args, **kwargs)

        run.__refuses__ = declared  # type: ignore[attr-defined] # read by errors_of and the OpenAPI document
        return run

    return decorate


def query(*refuses: Refuses, snapshot: bool = False) -> Callable[[Method[S, P, T]], Decorated[S, P, T]]:
    """A read: inside a command it sees that transaction, else the autocommitting reader; `snapshot` for statements that must agree."""
    declared = errors_of(*refuses)

    def decorate(fn: Method[S, P, T]) -> Decorated[S, P, T]:
        @wraps(fn)
        async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> ServiceResult[T]:
            if not snapshot:
                return await _outcome(self.db, fn, declared, self, *args, **kwargs)
            return await self.db.run_snapshot(lambda: _outcome(self.db, fn, declared, self, *args, **kwargs))

        run.__refuses__ = declared  # type: ignore[attr-defined] # read by errors_of and the OpenAPI document
        return run

    return decorate


def outside(fn: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Marks a gateway's method that leaves the process: it refuses to run while a transaction holds locks."""

    @wraps(fn)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if current_transaction() is not None:
            raise OutsideCallInTransaction(fn.__qualname__)
        return await fn(*args, **kwargs)

    return call


async def _outcome(
    db: Database,
    fn: Callable[..., Awaitable[ServiceResult[T]]],
    declared: tuple[type[DomainError], ...],
    *args: Any,
    **kwargs: Any,
) -> ServiceResult[T]:
    try:
        result = await fn(*args, **kwargs)
    except DomainError as error:
        return checked(db, error, declared, fn.__qualname__)
    return checked(db, result.error, declared, fn.__qualname__) if isinstance(result, Failure) else result

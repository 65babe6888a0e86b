"""The ambient transaction: what is open in this task, and what must still happen when it commits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from plaza.core.messages import DomainEvent, JobRequest
from plaza.core.result import Success

Hook = Callable[[], Awaitable[object]]


class CommitUnknown(RuntimeError):
    """COMMIT was asked for and its answer never came: what was written may or may not be there."""


class DoomedTransaction(RuntimeError):
    """A refusal was swallowed: pass it on with `.unwrap()`, or try the part with `db.attempt`."""


class NoTransaction(RuntimeError):
    """Something that writes was reached outside of a command."""


class ScopedStatement(RuntimeError):
    """A command of one statement was reached under a `CommandScope`: it has no result that could be stored."""


class WrongTask(RuntimeError):
    """A transaction was reached from a task that did not open it (`gather`, `create_task`)."""


class Transaction:
    """Owned by the task that opened it.

    `events` and `jobs` become rows just before COMMIT; `hooks` run after it and may be lost with the process, so they only wake.
    """

    __slots__ = ("committing", "doomed", "events", "hooks", "jobs", "session", "task")

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.task = asyncio.current_task()
        self.doomed = False
        self.committing = False
        self.events: list[DomainEvent] = []
        self.jobs: list[JobRequest] = []
        self.hooks: list[Hook] = []


class CommandScope(Protocol):
    """What an edge puts around the outermost commands that it leads to: idempotency under a client's key, the fence of a job.

    Both methods run in the command's own transaction.
    """

    def step(self) -> int:
        """The number of this command under the scope, from 1; taken once, however often its transaction is retried."""
        ...

    async def before(self, session: AsyncSession, step: int, result_type: Any) -> Success[Any] | None:
        """A result that an earlier try has committed is given back instead of running the command again."""
        ...

    async def after(self, session: AsyncSession, step: int, result: Success[Any]) -> None: ...


open_transaction: ContextVar[Transaction | None] = ContextVar("open_transaction", default=None)
open_scope: ContextVar[CommandScope | None] = ContextVar("open_scope", default=None)


def current_transaction() -> Transaction | None:
    transaction = open_transaction.get()
    if transaction is not None and transaction.task is not asyncio.current_task():
        raise WrongTask("a transaction belongs to the task that opened it")
    return transaction


@contextmanager
def under(scope: CommandScope) -> Iterator[None]:
    """Every outermost command inside runs under this scope."""
    token = open_scope.set(scope)
    try:
        yield
    finally:
        open_scope.reset(token)

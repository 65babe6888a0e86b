"""Many callers, one transaction: `@grouped`, for the few commands that are called thousands of times a second.

The body takes all waiting inputs and answers one result each, so that a refused one harms no other. Callers see an ordinary command;
alone (inside a command, under an Idempotency-Key, after a failed batch) it runs as a batch of one with the same outcome.

Invariants:
- inputs of one `order_key` are written in the order in which they were put, never by two lanes at a time;
- `put` runs before the caller's first suspension, so tasks that are started in order are put in order;
- a lane runs in a fresh context: no caller's transaction, scope, correlation or cancellation reaches another's input;
- a batch that failed before COMMIT is run again one by one; a COMMIT whose outcome is unknown is told to all of the batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context
from functools import wraps
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from plaza.core.db import CommitUnknown, current_transaction
from plaza.core.db.transaction import open_scope, open_transaction
from plaza.core.result import DomainError, Failure, ServiceResult, success
from plaza.core.service import Refuses, Service, checked, errors_of, result_type


class Keyed(Protocol):
    @property
    def order_key(self) -> object: ...


A = TypeVar("A", bound=Keyed)
T = TypeVar("T")
S = TypeVar("S", bound=Service)

Put: TypeAlias = tuple[A, asyncio.Future[ServiceResult[T]]]
Batch = Callable[[S, Sequence[A]], Awaitable[Sequence[ServiceResult[T]]]]


class _Lanes(Generic[A, T]):
    """As few lanes as will do, so that batches are large.

    A batch that is not back after PATIENCE_S waits for the disk, or for somebody who holds one of its rows: another lane opens for what
    has nothing to do with it. (32 senders into 64 conversations, on a disk that is slow: 0.56 of the floor with one lane, 0.82 so.)
    """

    PATIENCE_S = 0.01

    def __init__(
        self, run: Callable[[Sequence[A]], Awaitable[Sequence[ServiceResult[T]]]], limit: int, lanes: int
    ) -> None:
        self.run, self.limit, self.lanes = run, limit, lanes
        self.waiting: deque[Put[A, T]] = deque()
        self.being_written: set[object] = set()  # order keys
        self.delayed = 0  # lanes whose batch is late
        self.tasks: set[asyncio.Task[None]] = set()

    def put(self, item: A) -> asyncio.Future[ServiceResult[T]]:
        future: asyncio.Future[ServiceResult[T]] = asyncio.get_running_loop().create_future()
        self.waiting.append((item, future))
        if item.order_key not in self.being_written:  # else it is taken by whoever writes there
            self.open()
        return future

    def open(self) -> None:
        """A lane for what waits, unless one comes back soon, or there are as many as may be."""
        if self.delayed == len(self.tasks) < self.lanes and any(
            item.order_key not in self.being_written for item, _ in self.waiting
        ):
            task = asyncio.get_running_loop().create_task(self.drain(), context=Context())
            self.tasks.add(task)
            task.add_done_callback(self.closed)

    def closed(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.open()

    def take(self) -> list[Put[A, T]]:
        """The next batch; what goes where another lane is writing stays, in its order."""
        batch: list[Put[A, T]] = []
        left: list[Put[A, T]] = []
        while self.waiting and len(batch) < self.limit:
            each = self.waiting.popleft()
            (left if each[0].order_key in self.being_written else batch).append(each)
        self.waiting.extendleft(reversed(left))
        return batch

    async def drain(self) -> None:
        while batch := self.take():
            keys = {item.order_key for item, _ in batch}
            self.being_written |= keys
            try:
                with self.patience():
                    await self.write(batch)
            finally:
                self.being_written -= keys

    @contextmanager
    def patience(self) -> Iterator[None]:
        is_late = False

        def late() -> None:
            nonlocal is_late
            is_late = True
            self.delayed += 1
            self.open()

        timer = asyncio.get_running_loop().call_later(self.PATIENCE_S, late)
        try:
            yield
        finally:
            timer.cancel()
            self.delayed -= is_late

    async def write(self, batch: Sequence[Put[A, T]]) -> None:
        try:
            answer(batch, await self.run([item for item, _ in batch]))
        except Exception as error:
            if len(batch) == 1 or isinstance(error, CommitUnknown):
                fail(batch, error)
            else:
                await self.one_by_one(batch)

    async def one_by_one(self, batch: Sequence[Put[A, T]]) -> None:
        for each in batch:
            try:
                answer([each], await self.run([each[0]]))
            except Exception as error:
                fail([each], error)


def answer(batch: Sequence[Put[Any, T]], results: Sequence[ServiceResult[T]]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():
            future.set_result(result)


def fail(batch: Sequence[Put[Any, T]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


def grouped(
    *refuses: Refuses, limit: int = 256, lanes: int = 4
) -> Callable[[Batch[S, A, T]], Callable[[S, A], Coroutine[Any, Any, ServiceResult[T]]]]:
    declared = errors_of(*refuses)

    def decorate(fn: Batch[S, A, T]) -> Callable[[S, A], Coroutine[Any, Any, ServiceResult[T]]]:
        running: WeakKeyDictionary[S, _Lanes[A, T]] = WeakKeyDictionary()

        async def batch(self: S, items: Sequence[A]) -> Sequence[ServiceResult[T]]:
            results = await fn(self, items)
            return [
                checked(self.db, each.error, declared, fn.__qualname__) if isinstance(each, Failure) else each
                for each in results
            ]

        def start(self: S) -> _Lanes[A, T]:
            async def run(items: Sequence[A]) -> Sequence[ServiceResult[T]]:
                async def body() -> ServiceResult[Sequence[ServiceResult[T]]]:
                    return success(await batch(self, items))

                return (await self.db.run(body)).unwrap()

            return _Lanes(run, limit, lanes)

        @wraps(fn)
        async def run(self: S, item: A, /) -> ServiceResult[T]:
            async def alone() -> ServiceResult[T]:
                try:
                    return (await batch(self, [item]))[0]
                except DomainError as error:
                    return checked(self.db, error, declared, fn.__qualname__)

            if open_transaction.get() is not None and (transaction := current_transaction()) is not None:
                return await self.db.join(transaction, alone)
            if open_scope.get() is not None:
                return await self.db.run(alone, lambda: result_type(fn))
            found = running.get(self)
            if found is None:
                found = running[self] = start(self)
            return await found.put(item)

        run.__refuses__ = declared  # type: ignore[attr-defined] # read by errors_of and the OpenAPI document
        return run

    return decorate

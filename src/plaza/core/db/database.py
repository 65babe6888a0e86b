"""One transaction per outermost command; whatever is called inside joins it. Reads outside of it, and commands of one statement, go to a

second, autocommitting engine.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec
import structlog
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.util import greenlet_spawn

from plaza.core.db.errors import DEADLOCK, DatabaseAway, is_conflict, is_lost_server, is_refusal, sqlstate
from plaza.core.db.swift import Swift
from plaza.core.db.transaction import (
    CommitUnknown,
    DoomedTransaction,
    Hook,
    NoTransaction,
    ScopedStatement,
    Transaction,
    current_transaction,
    open_scope,
    open_transaction,
)
from plaza.core.messages import DomainEvent, JobPayload, JobRequest
from plaza.core.result import Failure, ServiceResult, success
from plaza.core.settings import DATABASE_SCHEME
from plaza.core.telemetry.metrics import DEADLOCKS, TRANSACTION_RETRIES

T = TypeVar("T")

log = structlog.get_logger(__name__)
_snapshot: ContextVar[AsyncConnection | None] = ContextVar("snapshot", default=None)


class DatabaseSettings(msgspec.Struct, frozen=True):
    pool_size: int = 20
    pool_timeout_s: float = 5
    statement_timeout_ms: int = 5_000
    lock_timeout_ms: int = 3_000
    transaction_timeout_s: float = 5
    replica_url: str = ""

    def __post_init__(self) -> None:
        if self.replica_url and not self.replica_url.startswith(DATABASE_SCHEME):
            raise ValueError(f"replica_url must begin with {DATABASE_SCHEME}")


class Outbox(Protocol):
    """Turns what a transaction published and enqueued into rows, in that transaction."""

    async def write(self, session: AsyncSession, events: Sequence[DomainEvent], jobs: Sequence[JobRequest]) -> None: ...


_OLDEST_WRITING = text("""
select min(xact_start) from pg_stat_activity
where backend_xid is not null and backend_type = 'client backend' and datname = current_database()
""")


class _LostConnection(Exception):
    """The driver's connection was gone, or went while it was in use."""

    def __init__(self, *, was_in_use: bool) -> None:
        super().__init__()
        self.was_in_use = was_in_use


class Database:
    """Lives as long as the process. `strict` makes an undeclared failure raise instead of being logged (tests, development)."""

    TRIES = 4

    def __init__(
        self, url: str, settings: DatabaseSettings | None = None, *, name: str = "plaza", strict: bool = True
    ) -> None:
        settings = settings or DatabaseSettings()
        self.settings, self.url, self.strict = settings, url, strict
        hidden = not strict  # errors are logged, and parameters are people's
        self.engine = _engine(url, settings, name, hide_parameters=hidden)
        self.reader = _engine(
            settings.replica_url or url,
            settings,
            f"{name}-read",
            hide_parameters=hidden,
            isolation_level="AUTOCOMMIT",  # of the engine: as an option it would be set and taken back at each use
        )
        self._fresh = (
            self.engine.execution_options(isolation_level="AUTOCOMMIT") if settings.replica_url else self.reader
        )
        one = msgspec.structs.replace(settings, pool_size=1)
        self._probe = _engine(url, one, f"{name}-probe", hide_parameters=hidden)
        self.outbox: Outbox | None = None
        self.is_traced = False
        """Whether SQLAlchemy tells a tracer of every statement: then none may pass it by."""

    async def close(self) -> None:
        for engine in (self.engine, self.reader, self._probe):
            await engine.dispose()

    @property
    def transaction(self) -> Transaction:
        transaction = current_transaction()
        if transaction is None:
            raise NoTransaction("only a command writes")
        return transaction

    @property
    def session(self) -> AsyncSession:
        return self.transaction.session

    def publish(self, event: DomainEvent) -> None:
        """A domain event, a row per handler in this transaction."""
        self.transaction.events.append(event)

    def enqueue(self, payload: JobPayload, *, key: str | None = None, at: datetime | None = None) -> None:
        """A job, a row in this transaction. Jobs of one `key` run one after another, in order; none runs before `at`."""
        self.transaction.jobs.append(JobRequest(payload, key, at))

    def after_commit(self, hook: Hook) -> None:
        """Only for what may be lost: the truth is in the database by then."""
        self.transaction.hooks.append(hook)

    @asynccontextmanager
    async def reading(self, *, fresh: bool = False) -> AsyncIterator[AsyncConnection]:
        """The open transaction's connection or the open snapshot's, else one in autocommit: no BEGIN, no ROLLBACK.

        `fresh` never asks a replica: for what must be known as soon as it is committed.
        """
        transaction, snapshot = current_transaction(), _snapshot.get()
        if transaction is not None:
            yield await transaction.session.connection()
        elif snapshot is not None:
            yield snapshot
        else:
            connection = await (self._fresh if fresh else self.reader).connect()
            try:
                yield connection
            finally:  # `async with` would make a task of it; in autocommit there is nothing to wait for
                await connection.close()

    async def swiftly(
        self, statement: Swift, parameters: Mapping[str, Any], *, fresh: bool = False
    ) -> Sequence[Any] | None:
        """The first row, or None; where `reading` would take a connection in autocommit, past SQLAlchemy."""
        if current_transaction() is None and _snapshot.get() is None and not self.is_traced:
            try:
                return await self._past_sqlalchemy(statement, parameters, self._fresh if fresh else self.reader)
            except _LostConnection:
                pass  # a new one takes its place, or SQLAlchemy tells that none can be had
        async with self.reading(fresh=fresh) as connection:
            return (await connection.execute(statement.plain, parameters)).first()

    async def at_once(self, statement: Swift, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
        """A command that is one statement, and its first row, or None: it commits with its answer, past SQLAlchemy.

        A conflict, or a connection that was gone before anything was sent, starts it afresh; one that goes meanwhile is
        CommitUnknown. Inside a command it joins that one. Raises ScopedStatement under a scope, which would have to store the row.
        """
        if current_transaction() is None and open_scope.get() is not None:
            raise ScopedStatement(statement.sql)
        if current_transaction() is None and not self.is_traced:
            try:
                return await self._past_sqlalchemy(statement, parameters, self._fresh)
            except _LostConnection as error:
                if error.was_in_use:
                    raise CommitUnknown(type(error.__cause__).__name__) from error.__cause__
            except Exception as error:
                if not is_conflict(error):
                    raise
                _count_retry(error)

        async def body() -> ServiceResult[Sequence[Any] | None]:
            await self.session.flush()
            return success((await (await self.session.connection()).execute(statement.plain, parameters)).first())

        return (await (body() if current_transaction() is not None else self.run(body))).unwrap()

    async def _past_sqlalchemy(
        self, statement: Swift, parameters: Mapping[str, Any], engine: AsyncEngine
    ) -> Sequence[Any] | None:
        connection = await engine.raw_connection()
        driver: Any = connection.driver_connection
        was_open = not driver.is_closed()
        try:
            row = await driver.fetchrow(statement.sql, *statement.arguments(parameters))
        except Exception as error:
            if driver.is_closed():
                await greenlet_spawn(connection.invalidate)
                raise _LostConnection(was_in_use=was_open) from error
            raise
        except (
            BaseException
        ):  # cancelled: what the server still answers is nobody's, and the driver takes a moment to tell it so
            await greenlet_spawn(connection.invalidate)
            raise
        finally:
            connection.close()
        return None if row is None else tuple(row)

    async def run_snapshot(self, body: Callable[[], Awaitable[T]]) -> T:
        """Several reads that see the same instant; inside a command they see that command's own transaction instead."""
        if current_transaction() is not None or _snapshot.get() is not None:
            return await body()
        async with self.engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            token = _snapshot.set(connection)
            try:
                return await body()
            finally:
                _snapshot.reset(token)

    async def run(
        self, body: Callable[[], Awaitable[ServiceResult[T]]], result_type: Callable[[], Any] = lambda: Any
    ) -> ServiceResult[T]:
        """`body` in a transaction of its own.

        A conflict (stale version, serialization failure, deadlock) or a connection lost before COMMIT starts it afresh. A
        COMMIT that got no answer is never retried, because nobody knows: CommitUnknown.
        """
        scope = open_scope.get()
        step = scope.step() if scope is not None else 0
        attempt = 1
        while True:
            transaction: Transaction | None = None
            try:
                async with (
                    asyncio.timeout(self.settings.transaction_timeout_s),
                    AsyncSession(self.engine, expire_on_commit=False, autoflush=False) as session,
                ):
                    transaction = Transaction(session)
                    result = await self._attempt(transaction, body, step, result_type)
                    hooks = transaction.hooks
                break
            except Exception as error:
                if transaction is not None and transaction.committing and not is_refusal(error):
                    raise CommitUnknown(type(error).__name__) from error
                if attempt == self.TRIES or not (is_conflict(error) or is_lost_server(error)):
                    raise
                _count_retry(error)
                await asyncio.sleep(random.uniform(0.002, 0.02) * 4 ** (attempt - 1))  # noqa: S311 - jitter, not a secret
                attempt += 1
        for hook in hooks:
            try:
                await hook()
            except Exception:  # the truth is written; a wake-up may be lost
                log.exception("after_commit_hook_failed")
        return result

    async def _attempt(
        self,
        transaction: Transaction,
        body: Callable[[], Awaitable[ServiceResult[T]]],
        step: int,
        result_type: Callable[[], Any],
    ) -> ServiceResult[T]:
        session, scope = transaction.session, open_scope.get()
        token = open_transaction.set(transaction)
        try:
            if scope is not None and (stored := await scope.before(session, step, result_type())) is not None:
                await session.commit()
                return stored
            result = await body()
            if isinstance(result, Failure):
                transaction.hooks.clear()
                await session.rollback()
                return result
            if transaction.doomed:
                raise DoomedTransaction("a refusal inside this command was neither passed on nor tried with attempt")
            await session.flush()  # its errors are a statement's, not the COMMIT's
            if self.outbox is not None and (transaction.events or transaction.jobs):
                await self.outbox.write(session, transaction.events, transaction.jobs)
            if scope is not None:
                await scope.after(session, step, result)
            transaction.committing = True
            await session.commit()
            return result
        finally:
            open_transaction.reset(token)

    async def join(self, transaction: Transaction, body: Callable[[], Awaitable[ServiceResult[T]]]) -> ServiceResult[T]:
        """`body` inside the open transaction; its refusal dooms it unless somebody deals with it."""
        result = await body()
        if isinstance(result, Failure):
            transaction.doomed = True
        return result

    async def attempt(self, call: Awaitable[ServiceResult[T]]) -> ServiceResult[T]:
        """`call` in a savepoint: its refusal takes back only its own part."""
        transaction = self.transaction
        events, jobs, hooks, doomed = (
            len(transaction.events),
            len(transaction.jobs),
            len(transaction.hooks),
            transaction.doomed,
        )
        await transaction.session.flush()
        async with transaction.session.begin_nested() as savepoint:
            result = await call
            if isinstance(result, Failure):
                await savepoint.rollback()
                del transaction.events[events:], transaction.jobs[jobs:], transaction.hooks[hooks:]
                transaction.doomed = doomed
        return result

    async def oldest_writing(self) -> datetime | None:
        """When the oldest transaction began that has written and not ended: a COMMIT may stall long after its process gave it up."""
        async with self.reading(fresh=True) as connection:
            found: datetime | None = (await connection.execute(_OLDEST_WRITING)).scalar_one()
        return found

    async def is_up(self) -> bool:
        """Whether PostgreSQL answers, on a connection of its own: busy is not down."""
        try:
            async with asyncio.timeout(2), self._probe.connect() as connection:
                await connection.execute(text("select 1"))
        except Exception:  # whatever went wrong, it is not up
            return False
        return True


def _count_retry(error: Exception) -> None:
    TRANSACTION_RETRIES.inc()
    if sqlstate(error) == DEADLOCK:
        DEADLOCKS.inc()
        log.warning("deadlock", exc_info=error)


def _engine(url: str, settings: DatabaseSettings, name: str, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        url,
        **options,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_use_lifo=True,
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": name,
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": str(settings.statement_timeout_ms),
                "lock_timeout": str(settings.lock_timeout_ms),
                "idle_in_transaction_session_timeout": str(int(settings.transaction_timeout_s * 2000)),
            },
        },
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    return engine


def _connect(dialect: Any, _: object, arguments: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What is slow is another matter: see `is_overload`."""
    try:
        return dialect.connect(*arguments, **options)
    except TimeoutError:
        raise
    except OSError as error:
        raise DatabaseAway(str(error)) from error

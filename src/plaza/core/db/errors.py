"""What a database error means for the caller: try again, answer 503, or treat it as a bug."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

DEADLOCK = "40P01"
_SERIALIZATION = frozenset({"40001", DEADLOCK})
# 57014 statement_timeout, 55P03 lock_timeout, 53300 too many connections, 25P04 transaction_timeout
_OVERLOAD = frozenset({"57014", "55P03", "53300", "53200", "25P04"})
# class 08 connection, 57P01-57P03 shutting down, crashed or starting up
_LOST = ("08", "57P01", "57P02", "57P03")


def sqlstate(error: BaseException) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or getattr(error, "sqlstate", None) or "")


def is_conflict(error: BaseException) -> bool:
    """Another transaction was first: the same work, started afresh, may succeed."""
    return isinstance(error, StaleDataError) or sqlstate(error) in _SERIALIZATION


class DatabaseAway(ConnectionError):
    """No connection to PostgreSQL could be made. The driver's own error does not say whose server it was that did not answer."""


def is_lost_database(error: BaseException) -> bool:
    """The connection to PostgreSQL is gone, or could not be made: for certain, also where other servers are called."""
    for each in _causes(error):
        if isinstance(each, DBAPIError) and each.connection_invalidated:
            return True
        if isinstance(each, (DatabaseAway, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)):
            return True
        if isinstance(each, asyncpg.InterfaceError) and "closed" in str(each):
            return True
        if sqlstate(each).startswith(_LOST):
            return True
    return False


def is_lost_server(error: BaseException) -> bool:
    """The same, or what looks like it where nobody but PostgreSQL is called."""
    return is_lost_database(error) or any(
        isinstance(each, ConnectionError) or (isinstance(each, FileNotFoundError) and _is_missing_socket(each))
        for each in _causes(error)
    )


def is_refused_connection(error: BaseException) -> bool:
    """The server does not know this role, password or database (classes 28 and 3D)."""
    return any(sqlstate(each).startswith(("28", "3D")) for each in _causes(error))


def is_out_of_range(error: BaseException) -> bool:
    """A value that no column could hold, such as a time whose UTC lies beyond the year 9999; the driver says so, nothing was sent."""
    causes = list(_causes(error))
    return any(isinstance(each, asyncpg.DataError) for each in causes) and isinstance(causes[-1], OverflowError)


def is_refusal(error: BaseException) -> bool:
    """The server answered no: nothing was written, for certain."""
    return bool(sqlstate(error)) and not is_lost_server(error)


def _is_missing_socket(error: FileNotFoundError) -> bool:
    """uvloop does not name the socket that it could not connect to; whoever opens a file does."""
    return error.filename is None or ".s.PGSQL" in str(error.filename)


def is_overload(error: BaseException) -> bool:
    """The server works, but not in time: pool, lock, statement and transaction limits."""
    return any(isinstance(each, (PoolTimeout, TimeoutError)) or sqlstate(each) in _OVERLOAD for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "orig", None) or error.__cause__

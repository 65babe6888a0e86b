"""PostgreSQL: the ambient transaction, tables' base, repositories, pages, notifications."""

from plaza.core.db.database import Database, DatabaseSettings
from plaza.core.db.errors import (
    DatabaseAway,
    is_lost_database,
    is_lost_server,
    is_out_of_range,
    is_overload,
    is_refused_connection,
)
from plaza.core.db.listener import Listener
from plaza.core.db.models import Base, Timestamped, Versioned, state_column, typed_ids
from plaza.core.db.pagination import DEFAULT_LIMIT, Cursors, Page, PageRequest
from plaza.core.db.repository import Repository
from plaza.core.db.swift import Swift
from plaza.core.db.transaction import (
    CommandScope,
    CommitUnknown,
    DoomedTransaction,
    NoTransaction,
    ScopedStatement,
    Transaction,
    WrongTask,
    current_transaction,
    under,
)

__all__ = [
    "DEFAULT_LIMIT",
    "Base",
    "CommandScope",
    "CommitUnknown",
    "Cursors",
    "Database",
    "DatabaseAway",
    "DatabaseSettings",
    "DoomedTransaction",
    "Listener",
    "NoTransaction",
    "Page",
    "PageRequest",
    "Repository",
    "ScopedStatement",
    "Swift",
    "Timestamped",
    "Transaction",
    "Versioned",
    "WrongTask",
    "current_transaction",
    "is_lost_database",
    "is_lost_server",
    "is_out_of_range",
    "is_overload",
    "is_refused_connection",
    "state_column",
    "typed_ids",
    "under",
]

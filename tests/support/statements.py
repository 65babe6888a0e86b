"""Which SQL a piece of work sends: hot routes have a fixed number of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from plaza.core.db import Database


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """Those of both engines, BEGIN and COMMIT aside, in order."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    engines = (db.engine.sync_engine, db.reader.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)

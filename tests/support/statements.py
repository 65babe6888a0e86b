"""Which SQL a piece of work sends: hot routes have a fixed number of statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from plaza.core.db import Database, Swift


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    """Those of both engines and past them, BEGIN and COMMIT aside, in order."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    past_sqlalchemy = db._past_sqlalchemy

    async def noted(statement: Swift, *rest: Any) -> Any:
        sent.append(statement.sql)
        return await past_sqlalchemy(statement, *rest)

    engines = (db.engine.sync_engine, db.reader.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(db, "_past_sqlalchemy", noted):
            yield sent
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
